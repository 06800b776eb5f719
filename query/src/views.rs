//! The views: the questions that are asked most, as SQL over `records`. `docs/sql.md` tells their columns.

use std::sync::Arc;

use datafusion::{datasource::ViewTable, error::Result, prelude::SessionContext};

/// Name and definition, each after those that it stands on.
pub(crate) const VIEWS: [(&str, &str); 5] = [
    ("exchanges", include_str!("views/exchanges.sql")),
    ("who", include_str!("views/who.sql")),
    ("what", include_str!("views/what.sql")),
    ("refusals", include_str!("views/refusals.sql")),
    ("approvals", include_str!("views/approvals.sql")),
];

/// Plans all views once; statements only borrow the plans.
pub(crate) async fn register(context: &SessionContext) -> Result<()> {
    for (name, definition) in VIEWS {
        let plan = context.sql(definition).await?.into_unoptimized_plan();
        context.register_table(name, Arc::new(ViewTable::new(plan, Some(definition.to_owned()))))?;
    }
    Ok(())
}
