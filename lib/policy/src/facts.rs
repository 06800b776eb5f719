//! What conditions may ask about: `principal` and `call`. Only what a condition names is built, and text is lent.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use cel::{
    Context, Env, Value,
    common::{
        types::{CelNull, CelString},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use schemas::{Call, Principal, call::Findings};

use crate::pattern::{Budget, Pattern};

/// Each name, and the fields that it has.
pub(crate) const NAMES: [(&str, &[&str]); 2] = [
    ("principal", &["issuer", "subject", "name", "groups", "agent"]),
    ("call", &["connection", "protocol", "method", "target", "arguments", "text", "findings"]),
];

/// The variable of what redaction finds in a call.
pub(crate) const FINDINGS: &str = "@call.findings";

/// How conditions name the budget after they are compiled; no source can spell it.
pub(crate) const BUDGET: &str = "@budget";
/// Before the number of a pattern.
pub(crate) const PATTERN: &str = "@pattern.";

/// How conditions name a field after they are compiled.
pub(crate) fn variable(name: &str, field: &str) -> String {
    format!("@{name}.{field}")
}

/// One principal's one call.
pub(crate) struct Facts<'a> {
    principal: &'a Principal,
    call: &'a Call,
    patterns: &'a [Pattern],
    pub(crate) budget: Budget,
    groups: OnceLock<Box<dyn Val>>,
    arguments: OnceLock<Box<dyn Val>>,
    findings: OnceLock<Box<dyn Val>>,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(principal: &'a Principal, call: &'a Call, patterns: &'a [Pattern]) -> Facts<'a> {
        let (groups, arguments, findings) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Facts { principal, call, patterns, budget: Budget::full(), groups, arguments, findings }
    }

    pub(crate) fn context<'f>(&'f self, env: &Arc<Env>) -> Context<'f, 'f> {
        let mut context = Context::with_env(env.clone());
        context.set_variable_resolver(self);
        context
    }

    fn groups(&self) -> &dyn Val {
        &**self.groups.get_or_init(|| boxed(Value::from(self.principal.groups.clone())))
    }

    /// None where nobody has looked: then the condition fails.
    fn findings(&self) -> Option<&dyn Val> {
        let Findings::Known(found) = &self.call.findings else { return None };
        Some(&**self.findings.get_or_init(|| boxed(Value::from(found.clone()))))
    }

    fn arguments(&self) -> &dyn Val {
        &**self.arguments.get_or_init(|| boxed(value_of(self.call.arguments.json())))
    }
}

impl VariableResolver for Facts<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        // What is absent is empty text, so that conditions need not ask.
        let text = match variable {
            BUDGET => return Some(CowVal::Borrowed(&self.budget)),
            "@principal.groups" => return Some(CowVal::Borrowed(self.groups())),
            FINDINGS => return self.findings().map(CowVal::Borrowed),
            "@call.arguments" => return Some(CowVal::Borrowed(self.arguments())),
            "@principal.issuer" => &self.principal.issuer,
            "@principal.subject" => &self.principal.subject,
            "@principal.name" => self.principal.name.as_deref().unwrap_or_default(),
            "@principal.agent" => self.principal.agent.as_deref().unwrap_or_default(),
            "@call.connection" => &self.call.connection,
            "@call.protocol" => &self.call.protocol,
            "@call.method" => &self.call.method,
            "@call.target" => &self.call.target,
            "@call.text" => self.call.arguments.text(),
            _ => return self.pattern(variable),
        };
        Some(CowVal::owned(CelString::from(text)))
    }
}

impl Facts<'_> {
    fn pattern<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let number: usize = variable.strip_prefix(PATTERN)?.parse().ok()?;
        self.patterns.get(number).map(|pattern| CowVal::Borrowed(pattern as &dyn Val))
    }
}

/// JSON as CEL has it. Whole numbers are `int` wherever they fit, so that `call.arguments.count + 1` works.
fn value_of(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::String(text) => Value::String(Arc::new(text.clone())),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(value_of).collect())),
        serde_json::Value::Object(members) => {
            let members: HashMap<String, Value> =
                members.iter().map(|(key, member)| (key.clone(), value_of(member))).collect();
            Value::from(members)
        }
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::UInt))
            .unwrap_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN))),
    }
}

/// Every value that comes from JSON has a form to evaluate; were one without, it would be null.
fn boxed(value: Value) -> Box<dyn Val> {
    let boxed: Result<Box<dyn Val>, _> = value.try_into();
    boxed.unwrap_or_else(|_| Box::new(CelNull))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::condition::{Condition, environment};

    /// After `when` is evaluated: were the groups built, were the arguments?
    fn check(when: &str, groups: bool, arguments: bool) {
        let env = Arc::new(environment());
        let call = Call { arguments: json!({"a": 1}).into(), ..Call::default() };
        let principal = Principal::default();
        let facts = Facts::new(&principal, &call, &[]);
        let condition = Condition::compile(when, &env, &mut Vec::new()).expect("a condition");
        condition.holds(&facts, &facts.context(&env)).expect("a result");
        assert_eq!((facts.groups.get().is_some(), facts.arguments.get().is_some()), (groups, arguments), "{when}");
    }

    #[test]
    fn only_what_a_condition_looks_at_is_built() {
        check("call.target == \"x\" && call.arguments.a == 1", false, false);
        check("call.target == \"\" && call.arguments.a == 1", false, true);
        check("\"sre\" in principal.groups", true, false);
    }
}
