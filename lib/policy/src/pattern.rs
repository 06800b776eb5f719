//! Values of ours inside CEL: a pattern that is compiled already, and the budget of one evaluation.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cel::{
    ExecutionError,
    common::{
        types::{CelBool, CelString, Type},
        value::{CowVal, StaticVal, Val},
    },
};
use regex::{Regex, RegexBuilder};

use crate::{ELEMENTS_MAX, PATTERN_BYTES_MAX};

static PATTERN: Type = Type::new_unspecified_type("hansard.pattern");
static BUDGET: Type = Type::new_unspecified_type("hansard.budget");

/// The pattern of one `matches`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

/// Elements that the evaluation may still look at.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<AtomicU64>);

impl Pattern {
    pub(crate) fn compile(source: &str) -> Result<Pattern, regex::Error> {
        RegexBuilder::new(source).size_limit(PATTERN_BYTES_MAX).build().map(Pattern)
    }
}

impl Budget {
    pub(crate) fn full() -> Budget {
        Budget(Arc::new(AtomicU64::new(ELEMENTS_MAX)))
    }

    pub(crate) fn refill(&self) {
        self.0.store(ELEMENTS_MAX, Ordering::Relaxed);
    }

    /// CEL may swallow an error (`error || true`), so whether the budget held is asked again at the end.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn spend(&self, elements: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(elements);
        self.0.store(left, Ordering::Relaxed);
        if left == 0 { Err(ExecutionError::function_error("comprehension", "too many elements")) } else { Ok(()) }
    }
}

/// `text.matches("…")`, with the pattern in place of its source.
pub(crate) fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = &arguments[..] else { return Err(ExecutionError::missing_argument_or_target()) };
    match (text.downcast_ref::<CelString<'_>>(), pattern.downcast_ref::<Pattern>()) {
        (Some(text), Some(pattern)) => Ok(CowVal::owned(CelBool::from(pattern.0.is_match(text.inner())))),
        _ => Err(ExecutionError::function_error("matches", "only text can be matched")),
    }
}

/// What a comprehension is about to go through, paid for from the budget.
pub(crate) fn elements<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut arguments = arguments.into_iter();
    let (Some(range), Some(budget)) = (arguments.next(), arguments.next()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let size = range.as_sizer().map_or(1, |sizer| sizer.size().into_inner().unsigned_abs());
    let budget = budget.downcast_ref::<Budget>().ok_or_else(ExecutionError::missing_argument_or_target)?;
    budget.spend(size.saturating_add(1))?;
    Ok(range)
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

impl Val for Budget {
    fn get_type(&self) -> &Type {
        &BUDGET
    }

    fn cel_type() -> &'static Type {
        &BUDGET
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}
