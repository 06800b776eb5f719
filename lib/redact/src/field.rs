//! Rules by path: `$.params.arguments.token`, `**.password`, `$.items[*].owner`. What stands there is masked, whatever it
//! is.
//!
//! `*` is any one step, `**` any number of them, and steps are names compared as all names of secrets are. All paths are
//! followed at once while a document is walked; into documents in strings they go on, as if those stood there. A rule may
//! hold for some tools only, or in one direction. It refuses a path that names nothing, and to take what is not known of a
//! message for what the rule does not hold for.

use schemas::Direction;

use crate::{key, rules::RuleId};

/// Most steps of a path.
const STEPS_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A name, normalised, or the place in an array.
    Named(String),
    One,
    Any,
}

#[derive(Clone, Debug)]
struct Path {
    rule: RuleId,
    steps: Vec<Step>,
    /// Where it leads, the rule does not hold.
    excludes: bool,
    scope: Scope,
}

/// What is known of the call that a message is part of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(crate) tool: Option<String>,
    pub(crate) direction: Option<Direction>,
}

/// Where a rule by path holds; everywhere, where it says nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Names, or how they begin: `payroll_*`.
    pub(crate) tools: Vec<String>,
    pub(crate) direction: Option<Direction>,
}

impl Scope {
    /// Not to know is no reason to leave something unmasked.
    fn holds(&self, scene: &Scene) -> bool {
        let is_tool = |written: &String, tool: &str| match written.strip_suffix('*') {
            Some(begins) => tool.starts_with(begins),
            None => written == tool,
        };
        let known = scene.tool.as_deref().filter(|_| !self.tools.is_empty());
        let in_tool = known.is_none_or(|tool| self.tools.iter().any(|written| is_tool(written, tool)));
        let passes = self.direction.zip(scene.direction).is_none_or(|(asked, is)| asked == is);
        in_tool && passes
    }
}

/// The paths of a set of rules.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<Path>);

/// How far paths have been followed: which path, and how many of its steps.
pub(crate) type Reached = Vec<(u16, u8)>;

/// The steps of a path as it is written, or what is wrong with it.
fn parse(written: &str) -> Result<Vec<Step>, String> {
    let rooted = written.strip_prefix("$.");
    let rest = rooted.or_else(|| written.starts_with("**.").then_some(written));
    let rest = rest.ok_or_else(|| format!("the path {written:?} begins neither with `$.` nor with `**.`"))?;
    let spread = rest.replace('[', ".").replace(']', "");
    let step = |word: &str| match word {
        "*" => Step::One,
        "**" => Step::Any,
        name => Step::Named(key::normalised(name.as_bytes())),
    };
    let steps: Vec<Step> = spread.split('.').map(step).collect();
    let named = |step: &Step| matches!(step, Step::Named(name) if !name.is_empty());
    if steps.len() > STEPS_MAX || steps.iter().any(|step| matches!(step, Step::Named(name) if name.is_empty())) {
        return Err(format!("the path {written:?} has an empty step, or more than {STEPS_MAX}"));
    }
    if !steps.iter().any(named) || steps.last() == Some(&Step::Any) {
        return Err(format!("the path {written:?} leads anywhere: it needs a name, and must not end with `**`"));
    }
    Ok(steps)
}

/// What is wrong with a path.
pub(crate) fn fault(written: &str) -> Option<String> {
    parse(written).err()
}

impl Fields {
    pub(crate) fn add(&mut self, rule: RuleId, written: &str, excludes: bool, scope: &Scope) {
        if let Ok(steps) = parse(written) {
            self.0.push(Path { rule, steps, excludes, scope: scope.clone() });
        }
    }

    /// At the root of a message: the paths of all rules that hold for it.
    pub(crate) fn start(&self, scene: &Scene) -> Reached {
        let mut reached = Reached::new();
        for (path, _) in (0..=u16::MAX).zip(&self.0).filter(|(_, path)| path.scope.holds(scene)) {
            self.reach(&mut reached, path, 0);
        }
        reached
    }

    /// One step farther: into the member of this name, or the item at this place.
    pub(crate) fn step(&self, reached: &Reached, name: &str) -> Reached {
        let mut next = Reached::new();
        if reached.is_empty() {
            return next;
        }
        let name = key::normalised(name.as_bytes());
        for (path, at) in reached {
            match self.0[usize::from(*path)].steps.get(usize::from(*at)) {
                Some(Step::Any) => self.reach(&mut next, *path, *at),
                Some(Step::One) => self.reach(&mut next, *path, at + 1),
                Some(Step::Named(named)) if *named == name => self.reach(&mut next, *path, at + 1),
                _ => {}
            }
        }
        next
    }

    /// The rule of what stands here.
    pub(crate) fn rule(&self, reached: &Reached) -> Option<RuleId> {
        let ends = |(path, at): &&(u16, u8)| self.0[usize::from(*path)].steps.len() == usize::from(*at);
        let here: Vec<&Path> = reached.iter().filter(ends).map(|(path, _)| &self.0[usize::from(*path)]).collect();
        let excluded = |rule: RuleId| here.iter().any(|path| path.excludes && path.rule == rule);
        here.iter().filter(|path| !path.excludes).map(|path| path.rule).filter(|rule| !excluded(*rule)).min()
    }

    /// `**` may also be no step at all.
    fn reach(&self, reached: &mut Reached, path: u16, at: u8) {
        if !reached.contains(&(path, at)) {
            reached.push((path, at));
        }
        if self.0[usize::from(path)].steps.get(usize::from(at)) == Some(&Step::Any) {
            self.reach(reached, path, at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, way: &[&str], leads_there: bool) {
        let mut fields = Fields::default();
        fields.add(RuleId(0), path, false, &Scope::default());
        let reached = way.iter().fold(fields.start(&Scene::default()), |reached, name| fields.step(&reached, name));
        assert_eq!(fields.rule(&reached).is_some(), leads_there, "{path} {way:?}");
    }

    #[test]
    fn paths_lead_where_they_say() {
        check("$.a.b", &["a", "b"], true);
        check("$.a.b", &["x", "a", "b"], false);
        check("$.a.b", &["a"], false);
        check("**.b", &["b"], true);
        check("**.b", &["a", "0", "B_"], true);
        check("**.b", &["b", "c"], false);
        check("$.a.**.c", &["a", "c"], true);
        check("$.a.**.c", &["a", "x", "y", "c"], true);
        check("$.items[*].id", &["items", "7", "id"], true);
        check("$.items[1].id", &["items", "7", "id"], false);
        check("$.user.*", &["user", "anything"], true);
    }

    #[test]
    fn a_rule_does_not_hold_where_it_excludes() {
        let mut fields = Fields::default();
        fields.add(RuleId(0), "**.name", false, &Scope::default());
        fields.add(RuleId(0), "$.tool.name", true, &Scope::default());
        let of = |way: &[&str]| {
            fields.rule(&way.iter().fold(fields.start(&Scene::default()), |reached, name| fields.step(&reached, name)))
        };
        assert_eq!((of(&["user", "name"]), of(&["tool", "name"])), (Some(RuleId(0)), None));
    }

    #[test]
    fn what_is_not_known_of_a_call_limits_nothing() {
        let scope = Scope { tools: vec!["pay".into(), "payroll_*".into()], direction: Some(Direction::ToCaller) };
        let holds = |tool: Option<&str>, direction| scope.holds(&Scene { tool: tool.map(str::to_owned), direction });
        let to_caller = Some(Direction::ToCaller);
        assert!(holds(Some("pay"), to_caller) && holds(Some("payroll_list"), to_caller));
        assert!(!holds(Some("payment"), to_caller) && !holds(Some("pay"), Some(Direction::ToUpstream)));
        assert!(holds(None, to_caller) && holds(Some("pay"), None) && holds(None, None));
        assert!(Scope::default().holds(&Scene { tool: Some("any".into()), direction: to_caller }));
    }

    #[test]
    fn paths_that_name_nothing_are_faults() {
        for (path, says) in [("a.b", "begins"), ("$.a..b", "empty"), ("**.*", "anywhere"), ("$.a.**", "anywhere")] {
            assert!(fault(path).is_some_and(|fault| fault.contains(says)), "{path}");
        }
    }
}
