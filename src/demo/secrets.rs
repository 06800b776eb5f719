//! Secrets that are made for one run of the demo, and the search for them in every byte it leaves on disk.
//!
//! They have real shapes and no real use: random digits and letters behind the prefixes that providers give.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::{Engine, engine::general_purpose::STANDARD};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use uuid::Uuid;

/// One planted value.
#[derive(Clone, Debug)]
pub struct Planted {
    pub what: &'static str,
    pub value: String,
}

#[derive(Clone, Debug)]
pub struct Secrets {
    pub card: Planted,
    pub email: Planted,
    pub password: Planted,
    pub access_key: Planted,
    /// No secret: it must be found, or the search would prove nothing.
    pub canary: String,
}

/// What the search saw.
#[derive(Debug, Default)]
pub struct Search {
    pub files: usize,
    pub bytes: u64,
    /// Text of the Parquet columns after decompression, in bytes.
    pub column_bytes: u64,
    /// `what` and file of every place where a secret lies open.
    pub leaks: Vec<String>,
    pub canary_found: bool,
}

impl Secrets {
    pub fn generate() -> Secrets {
        Secrets {
            card: Planted { what: "card number", value: card(Uuid::new_v4().as_u128()) },
            email: Planted {
                what: "e-mail address",
                value: format!("buyer.{}@example.com", letters(8).to_lowercase()),
            },
            password: Planted { what: "password", value: format!("{}-{}", letters(6), letters(9)) },
            access_key: Planted { what: "AWS access key", value: format!("{}{}", ["AK", "IA"].concat(), letters(16)) },
            canary: format!("canary-{}", letters(12)),
        }
    }

    pub fn all(&self) -> [&Planted; 4] {
        [&self.card, &self.email, &self.password, &self.access_key]
    }

    /// What the tool `read_settings` answers.
    pub fn settings_file(&self) -> String {
        format!(
            "# settings of the shop\ncurrency=EUR\nAWS_ACCESS_KEY_ID={}\ndb_password={}\nsupport={}\n",
            self.access_key.value, self.password.value, self.email.value
        )
    }

    /// Reads every file below `folder`, and the columns of Parquet files decompressed.
    pub fn search(&self, folder: &Path) -> Result<Search> {
        let mut search = Search::default();
        self.search_folder(folder, &mut search)?;
        Ok(search)
    }

    fn search_folder(&self, folder: &Path, search: &mut Search) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry.context("cannot read a folder")?.path();
            if path.is_dir() {
                self.search_folder(&path, search)?;
            } else if path.is_file() {
                self.search_file(&path, search)?;
            }
        }
        Ok(())
    }

    fn search_file(&self, path: &Path, search: &mut Search) -> Result<()> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        search.files += 1;
        search.bytes += bytes.len() as u64;
        self.look_at(&bytes, path, search);
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let text = columns(path)?;
            search.column_bytes += text.len() as u64;
            self.look_at(text.as_bytes(), path, search);
        }
        Ok(())
    }

    fn look_at(&self, bytes: &[u8], path: &Path, search: &mut Search) {
        for secret in self.all() {
            if spellings(&secret.value).iter().any(|spelling| contains(bytes, spelling.as_bytes())) {
                search.leaks.push(format!("{} in {}", secret.what, path.display()));
            }
        }
        search.canary_found |= contains(bytes, self.canary.as_bytes());
    }
}

/// The value, and what it looks like in base64 (at each of the three alignments), in a URL and in escaped JSON.
fn spellings(value: &str) -> Vec<String> {
    let aligned = |skip: usize| {
        let padded = [vec![b' '; skip], value.as_bytes().to_vec()].concat();
        let encoded = STANDARD.encode(padded);
        // The first and last groups also depend on what stands around the value.
        encoded[4..encoded.len().saturating_sub(4).max(4)].to_owned()
    };
    let url = value.replace('@', "%40").replace(' ', "%20");
    let escaped = value.replace('@', "\\u0040");
    [vec![value.to_owned(), url, escaped], (0..3).map(aligned).collect()].concat()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// All values of a Parquet file as text.
fn columns(path: &Path) -> Result<String> {
    let file = fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    let mut text = String::new();
    for batch in reader.with_context(|| format!("{} is no Parquet file", path.display()))? {
        let batch = batch.with_context(|| format!("cannot read {}", path.display()))?;
        for column in batch.columns() {
            let values =
                ArrayFormatter::try_new(column, &FormatOptions::default()).context("a column that cannot be shown")?;
            (0..column.len()).for_each(|row| text.push_str(&format!("{}\n", values.value(row))));
        }
    }
    Ok(text)
}

fn letters(count: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ234567";
    let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    random.iter().take(count).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

/// A number that passes Luhn's check, in the range of a large brand.
fn card(random: u128) -> String {
    let body = format!("4{:014}", random % 100_000_000_000_000);
    let sum: u32 =
        body.bytes().rev().enumerate().map(|(place, digit)| luhn(u32::from(digit - b'0'), place % 2 == 0)).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn luhn(digit: u32, double: bool) -> u32 {
    match digit * if double { 2 } else { 1 } {
        twice if twice > 9 => twice - 9,
        once => once,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_finds_every_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::generate();
        fs::write(folder.path().join("clean"), &secrets.canary).unwrap();
        let search = secrets.search(folder.path()).unwrap();
        assert!(search.canary_found && search.leaks.is_empty(), "{search:?}");
        for skip in 0..3 {
            let hidden = STANDARD.encode(format!("{}{} and more", "x".repeat(skip), secrets.card.value));
            fs::write(folder.path().join("hidden"), hidden).unwrap();
            assert_eq!(secrets.search(folder.path()).unwrap().leaks.len(), 1, "base64 at alignment {skip}");
        }
    }

    #[test]
    fn cards_pass_luhn() {
        let number = card(42);
        let sum: u32 =
            number.bytes().rev().enumerate().map(|(place, digit)| luhn(u32::from(digit - b'0'), place % 2 == 1)).sum();
        assert_eq!(sum % 10, 0);
    }
}
