//! The names of attributes, and where they come from: the only place that has them.
//!
//! MCP and GenAI: the conventions for the Model Context Protocol (`docs/gen-ai/mcp.md` of the semantic conventions,
//! status development), so these may change and change here. Left out on purpose: `mcp.session.id`,
//! `jsonrpc.request.id`, `mcp.resource.uri`, `gen_ai.tool.call.arguments` and `.result`, which are secrets or may hold
//! some; the trail has them, masked.

/// Method of the message: `tools/call`.
pub const MCP_METHOD_NAME: &str = "mcp.method.name";
/// Revision of the protocol: `2025-11-25`.
pub const MCP_PROTOCOL_VERSION: &str = "mcp.protocol.version";
/// The tool, where the server has listed one of that name.
pub const GEN_AI_TOOL_NAME: &str = "gen_ai.tool.name";
/// [`EXECUTE_TOOL`], for calls of tools and nothing else.
pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
pub const EXECUTE_TOOL: &str = "execute_tool";
/// Why it failed, in one word.
pub const ERROR_TYPE: &str = "error.type";
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
pub const NETWORK_TRANSPORT: &str = "network.transport";
pub const TCP: &str = "tcp";
pub const NETWORK_PROTOCOL_NAME: &str = "network.protocol.name";
pub const HTTP: &str = "http";
/// Whom a client calls.
pub const SERVER_ADDRESS: &str = "server.address";
pub const SERVER_PORT: &str = "server.port";

pub const SERVICE_NAME: &str = "service.name";
pub const SERVICE_VERSION: &str = "service.version";
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// Ours: where to look in the trail.
pub const EXCHANGE_ID: &str = "hansard.exchange_id";
pub const CONNECTION: &str = "hansard.connection";
/// `allow`, `block` or `hold`.
pub const VERDICT: &str = "hansard.verdict";
/// How it ended, as in the column `outcome`.
pub const OUTCOME: &str = "hansard.outcome";
/// What Hansard itself took of the span's time, in microseconds.
pub const OVERHEAD_MICROSECONDS: &str = "hansard.overhead_us";
