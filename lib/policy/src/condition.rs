//! A condition: CEL, checked and prepared when the policy is compiled, evaluated per call.
//!
//! Preparing means: the fields of `principal` and `call` become variables of their own, so that only those named are
//! built; the patterns of `matches` are compiled; and what `all`, `exists` and the like go through is counted. Names
//! and functions that do not exist are faults here, not failures at the first call.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::{
    Context, Env, Value,
    common::{
        ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators},
        types::DYN_TYPE,
    },
};

use crate::{
    CONDITION_BYTES_MAX, CONDITION_DEPTH_MAX,
    facts::{BUDGET, FINDINGS, Facts, NAMES, PATTERN, variable},
    pattern::{self, Pattern},
};

/// Stack of the thread that compiles a condition, in bytes; only what is used of it is ever memory.
const PARSER_STACK_BYTES: usize = 128 * 1024 * 1024;

const MATCHES: &str = "@matches";
const ELEMENTS: &str = "@elements";

/// What a condition may call besides operators and macros.
const FUNCTIONS: [&str; 25] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "dyn",
    "type",
    "duration",
    "timestamp",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
];
const OPERATORS: [&str; 17] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
];
/// Names of types, as in `type(call.arguments.count) == int`.
const TYPES: [&str; 10] = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

#[derive(Debug)]
pub(crate) struct Condition {
    expression: IdedExpr,
    /// It names `call.findings`, so somebody has to look.
    pub(crate) asks_findings: bool,
}

/// The condition could not be evaluated. Why is not kept: it would quote the call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// CEL's standard functions, and ours under names that no source can spell.
pub(crate) fn environment() -> Env {
    let mut env = Env::stdlib().with_optional_support(false);
    env.add_overload(MATCHES, "matches_pattern", vec![DYN_TYPE, DYN_TYPE], pattern::matches)
        .expect("a name of its own");
    env.add_overload(ELEMENTS, "elements_counted", vec![DYN_TYPE, DYN_TYPE], pattern::elements)
        .expect("a name of its own");
    env
}

impl Condition {
    /// All faults, each with what to do. Patterns are added to `patterns`.
    pub(crate) fn compile(source: &str, env: &Env, patterns: &mut Vec<Pattern>) -> Result<Condition, Vec<String>> {
        on_large_stack(|| Condition::compile_here(source, env, patterns))
    }

    fn compile_here(source: &str, env: &Env, patterns: &mut Vec<Pattern>) -> Result<Condition, Vec<String>> {
        let mut expression = parse(source, env)?;
        let mut preparation =
            Preparation { patterns, faults: Vec::new(), locals: Vec::new(), depth: 0, asks_findings: false };
        preparation.visit(&mut expression);
        match preparation.faults {
            faults if faults.is_empty() => Ok(Condition { expression, asks_findings: preparation.asks_findings }),
            faults => Err(faults),
        }
    }

    /// Does the call match? A panic of the evaluator counts as a failure.
    pub(crate) fn holds(&self, facts: &Facts<'_>, context: &Context<'_, '_>) -> Result<bool, Failed> {
        facts.budget.refill();
        let result = catch_unwind(AssertUnwindSafe(|| Value::resolve(&self.expression, context)));
        match result {
            Ok(Ok(Value::Bool(matched))) if !facts.budget.is_spent() => Ok(matched),
            _ => Err(Failed),
        }
    }
}

fn parse(source: &str, env: &Env) -> Result<IdedExpr, Vec<String>> {
    if source.len() > CONDITION_BYTES_MAX {
        return Err(vec![format!("the condition is longer than {CONDITION_BYTES_MAX} bytes: split the rule")]);
    }
    // The parser's own limit comes after it has descended, so brackets are counted first.
    if brackets_deep(source) > CONDITION_DEPTH_MAX {
        return Err(vec![too_deep()]);
    }
    let parser = env.parser().max_recursion_depth(2 * CONDITION_DEPTH_MAX as u16);
    parser.parse(source).map_err(|errors| {
        errors.errors.iter().map(|error| format!("the condition is not CEL: {}", error.msg)).collect()
    })
}

/// The parser descends along every chain (`a.b.c…`, `1+1+1…`) and has no limit of its own for them, so it works on a
/// stack that no source of [`CONDITION_BYTES_MAX`] exhausts. A panic of it is a fault of the source.
fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, Vec<String>> + Send) -> Result<T, Vec<String>> {
    let failed = |why: &str| Err(vec![format!("the condition cannot be compiled: {why}")]);
    std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(PARSER_STACK_BYTES).spawn_scoped(scope, work) {
            Ok(worker) => worker.join().unwrap_or_else(|_| failed("the parser gave up on it; simplify it")),
            Err(error) => failed(&error.to_string()),
        }
    })
}

/// Deepest nesting of brackets outside quotes; each `?` counts as one that is not closed, as the parser descends by it.
fn brackets_deep(source: &str) -> usize {
    let (mut depth, mut deepest, mut quote, mut escaped) = (0_usize, 0, None, false);
    for byte in source.bytes() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) => quote = quote.filter(|_| byte != open),
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(' | b'[' | b'{' | b'?') => depth += 1,
            (None, b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn too_deep() -> String {
    format!("the condition is nested deeper than {CONDITION_DEPTH_MAX} levels: split the rule")
}

/// One walk over a condition: finds its faults, and rewrites it for evaluation.
struct Preparation<'p> {
    patterns: &'p mut Vec<Pattern>,
    faults: Vec<String>,
    /// Variables of the comprehensions around.
    locals: Vec<String>,
    depth: usize,
    asks_findings: bool,
}

impl Preparation<'_> {
    fn visit(&mut self, node: &mut IdedExpr) {
        if self.depth > CONDITION_DEPTH_MAX {
            self.fault(too_deep());
            return;
        }
        self.depth += 1;
        if let Some(field) = self.field(&node.expr) {
            node.expr = Expr::Ident(field);
        } else {
            self.visit_parts(&mut node.expr);
        }
        self.depth -= 1;
    }

    fn visit_parts(&mut self, expression: &mut Expr) {
        match expression {
            Expr::Call(call) => self.visit_call(call),
            Expr::Comprehension(comprehension) => self.visit_comprehension(comprehension),
            Expr::Ident(name) => self.check_name(name),
            Expr::List(list) => list.elements.iter_mut().for_each(|element| self.visit(element)),
            Expr::Select(select) => self.visit_select(select),
            Expr::Map(map) => map.entries.iter_mut().for_each(|entry| self.visit_entry(&mut entry.expr)),
            Expr::Struct(_) => self.fault("there are no messages to construct: use a map".into()),
            Expr::Literal(_) => {}
            Expr::Unspecified => self.fault("the condition is empty: write `true` to match every call".into()),
        }
    }

    fn visit_entry(&mut self, entry: &mut EntryExpr) {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.visit(&mut entry.key);
                self.visit(&mut entry.value);
            }
            EntryExpr::StructField(field) => self.visit(&mut field.value),
        }
    }

    /// The variable of `principal.<field>` or `call.<field>`.
    fn field(&mut self, expression: &Expr) -> Option<String> {
        let Expr::Select(SelectExpr { operand, field, test }) = expression else { return None };
        let Expr::Ident(name) = &operand.expr else { return None };
        let (name, fields) = NAMES.iter().find(|(known, _)| known == name)?;
        if !fields.contains(&field.as_str()) {
            self.fault(format!("{name} has no {field}: it has {}", fields.join(", ")));
        }
        if *test {
            self.fault(format!("{name}.{field} is always there, if empty: compare it with \"\""));
        }
        let variable = variable(name, field);
        self.asks_findings |= variable == FINDINGS;
        Some(variable)
    }

    fn visit_select(&mut self, select: &mut SelectExpr) {
        self.visit(&mut select.operand);
    }

    fn check_name(&mut self, name: &str) {
        if let Some((name, fields)) = NAMES.iter().find(|(known, _)| *known == name) {
            self.fault(format!("{name} is asked for its fields: write {name}.{}", fields[0]));
        } else if !name.starts_with('@') && !TYPES.contains(&name) && !self.locals.iter().any(|local| local == name) {
            self.fault(format!("there is no {name}: a condition knows principal and call"));
        }
    }

    fn visit_call(&mut self, call: &mut CallExpr) {
        if call.func_name == "matches" {
            return self.visit_matches(call);
        }
        let known = [&FUNCTIONS[..], &OPERATORS, &[operators::IN, operators::NOT_STRICTLY_FALSE]];
        if !known.iter().any(|names| names.contains(&call.func_name.as_str())) {
            self.fault(format!("there is no function {}", call.func_name));
        }
        call.target.iter_mut().for_each(|target| self.visit(target));
        call.args.iter_mut().for_each(|argument| self.visit(argument));
    }

    /// `text.matches("…")` or `matches(text, "…")`: the pattern is compiled here and now.
    fn visit_matches(&mut self, call: &mut CallExpr) {
        if let Some(target) = call.target.take() {
            call.args.insert(0, *target);
        }
        let [text, pattern] = &mut call.args[..] else {
            return self.fault("matches takes a text and a pattern: text.matches(\"…\")".into());
        };
        self.visit(text);
        let Expr::Literal(LiteralValue::String(source)) = &pattern.expr else {
            return self.fault("the pattern of matches must be written out, so that it is compiled once".into());
        };
        match Pattern::compile(source.inner()) {
            Ok(compiled) => self.patterns.push(compiled),
            Err(error) => self.fault(format!("the pattern of matches does not compile: {error}")),
        }
        pattern.expr = Expr::Ident(format!("{PATTERN}{}", self.patterns.len().saturating_sub(1)));
        call.func_name = MATCHES.into();
    }

    fn visit_comprehension(&mut self, comprehension: &mut ComprehensionExpr) {
        self.visit(&mut comprehension.iter_range);
        let range = std::mem::take(&mut comprehension.iter_range);
        let budget = IdedExpr { id: range.id, expr: Expr::Ident(BUDGET.into()) };
        comprehension.iter_range = IdedExpr {
            id: range.id,
            expr: Expr::Call(CallExpr { func_name: ELEMENTS.into(), target: None, args: vec![range, budget] }),
        };
        self.visit(&mut comprehension.accu_init);
        let outer = self.locals.len();
        let locals = [Some(&comprehension.iter_var), comprehension.iter_var2.as_ref(), Some(&comprehension.accu_var)];
        self.locals.extend(locals.into_iter().flatten().cloned());
        if self.locals[outer..].iter().any(|local| NAMES.iter().any(|(name, _)| name == local)) {
            self.fault("principal and call are taken: give the variable another name".into());
        }
        self.visit(&mut comprehension.loop_cond);
        self.visit(&mut comprehension.loop_step);
        self.visit(&mut comprehension.result);
        self.locals.truncate(outer);
    }

    fn fault(&mut self, fault: String) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}
