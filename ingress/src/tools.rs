//! Which definition of a tool was in force when it was called: digests from the last `tools/list` seen.
//!
//! It refuses to judge a change; the record shows it.

use std::sync::{Mutex, PoisonError};

use protocol::{
    jsonrpc::{Message, Shape},
    mcp,
};
use schemas::Timestamp;

use crate::session::Recent;

/// Digests of definitions by connection and tool.
#[derive(Debug)]
pub(crate) struct Tools(Mutex<Recent<(String, String), [u8; 32]>>);

impl Tools {
    pub(crate) fn new(tools_max: usize) -> Tools {
        Tools(Mutex::new(Recent::new(tools_max)))
    }

    pub(crate) fn digest_of(&self, connection: &str, tool: &str) -> Option<[u8; 32]> {
        let tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tools.get(&(connection.to_owned(), tool.to_owned())).copied()
    }

    /// Remembers the tools of an answer to `tools/list`.
    pub(crate) fn learn(&self, connection: &str, answer: &Message<'_>, now: Timestamp) {
        let Shape::Response { result, .. } = &answer.shape else { return };
        let listed = mcp::tool_digests(result);
        let mut tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, digest) in listed {
            tools.insert((connection.to_owned(), name), digest, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(tools: &str) -> Tools {
        let memory = Tools::new(10);
        let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{tools}}}}}"#);
        let message = protocol::jsonrpc::parse(answer.as_bytes()).expect("a message").remove(0);
        memory.learn("files", &message, Timestamp(0));
        memory
    }

    #[test]
    fn a_tool_is_known_by_the_definition_that_was_listed_last() {
        let one = learned(r#"[{"name":"read","description":"d"},{"name":"write"}]"#);
        let other = learned(r#"[{"name":"read","description":"e"}]"#);
        assert!(one.digest_of("files", "read").is_some());
        assert!(one.digest_of("files", "write").is_some());
        assert_ne!(one.digest_of("files", "read"), other.digest_of("files", "read"));
        assert_eq!(one.digest_of("other", "read"), None);
    }
}
