//! Somebody who calls tools: the official SDK's client, going through ingress.
//!
//! The SDK's HTTP client of this build speaks over a Unix socket, so a socket is spliced onto the port of ingress; not
//! a byte is changed on the way.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{CallToolRequestParams, CallToolResult, ProgressNotificationParam, ProtocolVersion},
    service::{NotificationContext, RunningService, ServiceError},
    transport::{
        StreamableHttpClientTransport, UnixSocketHttpClient,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::Value;
use tokio::{
    net::{TcpStream, UnixListener},
    sync::watch,
    time::timeout,
};

/// How long notifications may come after the answer that they were told before.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(5);

/// Which of the protocol's two eras the client speaks.
#[derive(Clone, Copy, Debug)]
pub enum Era {
    Sessions,
    Stateless,
}

#[derive(Debug)]
pub struct Caller {
    client: RunningService<RoleClient, Listener>,
    progress: watch::Receiver<usize>,
}

/// Counts the progress that the server tells.
#[derive(Clone, Debug, Default)]
struct Listener {
    progress: watch::Sender<usize>,
}

impl ClientHandler for Listener {
    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progress.send_modify(|received| *received += 1);
    }
}

impl Caller {
    /// `socket`: a path that is free.
    pub async fn connect(socket: &Path, ingress: SocketAddr, token: Option<&str>, era: Era) -> Result<Caller> {
        splice(socket, ingress)?;
        let uri = format!("http://{ingress}/c/shop");
        let http = UnixSocketHttpClient::new(socket.to_str().context("a path that is no text")?, &uri);
        let mut config = StreamableHttpClientTransportConfig::with_uri(uri);
        config.auth_header = token.map(str::to_owned);
        let listener = Listener::default();
        let progress = listener.progress.subscribe();
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let client = listener.serve_with_lifecycle(transport, era.lifecycle()).await?;
        Ok(Caller { client, progress })
    }

    pub async fn call(&self, tool: &'static str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        let mut params = CallToolRequestParams::new(tool);
        if let Value::Object(arguments) = arguments {
            params = params.with_arguments(arguments);
        }
        self.client.call_tool(params).await
    }

    pub async fn tools(&self) -> Result<usize, ServiceError> {
        Ok(self.client.list_all_tools().await?.len())
    }

    /// Progress notifications received so far. The SDK gives each to a task of its own, which may run after the answer
    /// is there, so as many as are `expected` are waited for.
    pub async fn progress(&self, expected: usize) -> usize {
        let mut progress = self.progress.clone();
        // When they do not come, the number says so.
        let _ = timeout(PROGRESS_PATIENCE, progress.wait_for(|received| *received >= expected)).await.is_ok();
        *progress.borrow()
    }

    pub async fn leave(self) -> Result<()> {
        self.client.cancel().await.context("the client did not end")?;
        Ok(())
    }
}

impl Era {
    fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Era::Sessions => ClientLifecycleMode::Initialize,
            Era::Stateless => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
        }
    }
}

/// Carries every connection on `socket` to `ingress`, until the program ends.
fn splice(socket: &Path, ingress: SocketAddr) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(ingress).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    Ok(())
}
