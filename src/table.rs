//! Tables for people at a terminal.

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

/// Longest text of a cell, in characters; the rest is a `…`.
const CELL_CHARACTERS_MAX: usize = 240;

pub fn render(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
    for row in rows {
        table.add_row(row.iter().map(|cell| shorten(cell)));
    }
    table.to_string()
}

fn shorten(cell: &str) -> String {
    match cell.char_indices().nth(CELL_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_are_cut_between_characters() {
        assert_eq!(shorten(&"ä".repeat(241)), format!("{}…", "ä".repeat(240)));
        assert_eq!(shorten("short"), "short");
    }
}
