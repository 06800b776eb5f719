//! A small MCP server on the official SDK, for the demo to call: a shop's back office.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use rmcp::{
    ErrorData, Peer, RoleServer, ServerHandler,
    handler::server::wrapper::Parameters,
    model::{ProgressNotificationParam, RequestMetaObject},
    schemars::{self, JsonSchema},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{StreamableHttpService, session::local::LocalSessionManager},
};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::secrets::Secrets;

/// Steps of the streamed report.
pub(super) const REPORT_STEPS: u32 = 5;
const REPORT_STEP: Duration = Duration::from_millis(40);

/// The server while it runs; dropped, it ends.
#[derive(Debug)]
pub struct BackOffice {
    pub address: SocketAddr,
    _running: DropGuard,
}

#[derive(Clone, Debug)]
struct Office {
    secrets: Arc<Secrets>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Customer {
    /// Name of the customer.
    name: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Payment {
    /// Number of the order.
    order: u32,
    /// Card to charge.
    card: String,
    /// Where the receipt goes.
    email: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Statement {
    /// One SQL statement.
    sql: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Deployment {
    service: String,
    version: String,
}

#[tool_router]
impl Office {
    /// Looks up a customer's orders.
    #[tool]
    async fn find_orders(&self, Parameters(customer): Parameters<Customer>) -> String {
        format!("{} has the orders 1001, 1002 and 1005", customer.name)
    }

    /// Charges a card for an order.
    #[tool]
    async fn charge_card(&self, Parameters(payment): Parameters<Payment>) -> String {
        let last = payment.card.chars().skip(payment.card.len().saturating_sub(4)).collect::<String>();
        format!(
            "order {} is paid with the card that ends in {last}; the receipt went to {}",
            payment.order, payment.email
        )
    }

    /// Shows the settings of the shop.
    #[tool]
    async fn read_settings(&self) -> String {
        self.secrets.settings_file()
    }

    /// Runs a statement on the shop's database.
    #[tool]
    async fn run_sql(&self, Parameters(statement): Parameters<Statement>) -> String {
        format!("42 rows for a statement of {} characters", statement.sql.len())
    }

    /// Puts a version into production.
    #[tool]
    async fn deploy_service(&self, Parameters(deployment): Parameters<Deployment>) -> String {
        format!("{} {} is in production", deployment.service, deployment.version)
    }

    /// Writes the report of the month, and tells how far it is.
    #[tool]
    async fn monthly_report(meta: RequestMetaObject, caller: Peer<RoleServer>) -> Result<String, ErrorData> {
        for step in 1..=REPORT_STEPS {
            tokio::time::sleep(REPORT_STEP).await;
            if let Some(token) = meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, f64::from(step));
                let progress = progress.with_total(f64::from(REPORT_STEPS)).with_message(format!("week {step}"));
                caller
                    .notify_progress(progress)
                    .await
                    .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            }
        }
        Ok("1 204 orders, 3 % more than the month before".to_owned())
    }
}

#[tool_handler]
impl ServerHandler for Office {}

impl BackOffice {
    pub async fn start(secrets: Arc<Secrets>) -> Result<BackOffice> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for the demo's MCP server")?;
        let address = listener.local_addr().context("the demo's MCP server has no address")?;
        let stop = CancellationToken::new();
        let office = Office { secrets };
        let service: StreamableHttpService<Office, LocalSessionManager> =
            StreamableHttpService::new(move || Ok(office.clone()), Default::default(), Default::default());
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            axum::serve(listener, axum::Router::new().nest_service("/mcp", service))
                .with_graceful_shutdown(stopped)
                .await
        });
        Ok(BackOffice { address, _running: stop.drop_guard() })
    }
}
