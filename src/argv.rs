//! The command line: what can be said, and its defaults. Nothing is done here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The audit trail for MCP and LLM traffic.
#[derive(Debug, Parser)]
#[command(name = "hansard", version, about, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration and the data are; the same for every command.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Configuration file (TOML) [default: hansard.toml in the data directory, if it is there]
    #[arg(long, global = true, env = "HANSARD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory: log, keys, and the archive unless it is elsewhere [default: ~/.local/share/hansard]
    #[arg(long, global = true, env = "HANSARD_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs all roles in this process, on one data directory
    #[cfg(feature = "all")]
    Up,
    /// Runs ingress alone, on Kafka
    #[cfg(feature = "ingress")]
    Ingress,
    /// Runs a masker alone, on Kafka
    #[cfg(feature = "masker")]
    Masker,
    /// Runs an approver alone, on Kafka
    #[cfg(feature = "approver")]
    Approver,
    /// Runs an archiver alone, on Kafka
    #[cfg(feature = "archiver")]
    Archiver,
    /// Runs a query service alone, on Kafka
    #[cfg(feature = "query")]
    Query,
    /// Plans, makes and checks the topics on Kafka, and who may do what with them
    Topics {
        #[command(subcommand)]
        what: Topics,
    },
    /// Shows the whole story on this machine, with real MCP calls
    #[cfg(feature = "demo")]
    Demo {
        /// End when the story is told; status 0 only if all that it promises held
        #[arg(long)]
        exit: bool,
    },
    /// Prints a token of the development issuer, and nothing else
    #[cfg(feature = "masker")]
    Token {
        /// Who the token is for
        #[arg(long)]
        subject: String,
        /// A group of theirs; may be given several times
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// A name for people to read
        #[arg(long)]
        name: Option<String>,
        /// How long it is valid, in seconds
        #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=30 * 86_400))]
        lifetime: u64,
    },
    /// Answers a question in SQL, over the archive and what is not archived yet
    #[cfg(feature = "query")]
    Sql {
        statement: String,
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Tells a conversation or an exchange again, message by message
    #[cfg(feature = "query")]
    Replay {
        /// conversation_id or exchange_id
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Follows the masked records, one line each, for SIEMs and scripts without Kafka
    #[cfg(feature = "query")]
    Tail {
        /// Go on where this group left off, and keep what it has not read; without it, begin with what comes now
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
        #[arg(long, value_enum, default_value_t = TailFormat::Json)]
        format: TailFormat,
        /// Begin with the oldest that the log keeps, or where the group left off, and end when what is there is told
        #[arg(long)]
        exit: bool,
    },
    /// Forgets a group of `tail` that nobody reads by any more, so that the log keeps nothing for it
    #[cfg(feature = "query")]
    Forget {
        /// As it was given to `tail --group`
        group: String,
    },
    /// Shows held calls and votes on them
    #[cfg(feature = "all")]
    Approvals {
        #[command(subcommand)]
        what: Approvals,
    },
    /// Shows what would be masked in files (standard input, when none is named)
    #[cfg(feature = "masker")]
    #[command(args_conflicts_with_subcommands = true)]
    Redact {
        #[command(flatten)]
        rules: RedactRules,
        /// Where, by which rule and how often, as JSON; never what
        #[arg(long)]
        json: bool,
        files: Vec<PathBuf>,
        #[command(subcommand)]
        what: Option<Redact>,
    },
    /// Shows the values of tokens to those who may see them; the question is a record
    #[cfg(feature = "all")]
    Detokenize(Detokenize),
    /// Shows what could not be masked, and masks it again
    #[cfg(feature = "all")]
    Quarantine {
        #[command(subcommand)]
        what: Quarantine,
    },
    /// Shows and rotates the keys of the data directory
    Keys {
        #[command(subcommand)]
        what: Keys,
    },
    /// Asks the role that runs with this configuration whether it is alive
    Health {
        /// … or whether it does its work, and if not, why
        #[arg(long)]
        ready: bool,
    },
    /// Checks configurations
    Config {
        #[command(subcommand)]
        what: Config,
    },
}

/// Which rules; without any of these, those of the configuration.
#[cfg(any(feature = "ingress", feature = "masker"))]
#[derive(Debug, Args)]
pub struct RedactRules {
    /// A file of rules; may be given several times
    #[arg(long = "rules", value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// A built-in pack; may be given several times [default: all]
    #[arg(long = "pack", value_name = "PACK")]
    pub packs: Vec<String>,
}

#[cfg(feature = "masker")]
#[derive(Debug, Subcommand)]
pub enum Redact {
    /// Tries each rule on its own examples, and all of them on yours
    Test {
        #[command(flatten)]
        rules: RedactRules,
        /// TOML with the lists must_mask and must_not_mask
        cases: Vec<PathBuf>,
    },
}

#[cfg(feature = "all")]
#[derive(Debug, Args)]
pub struct Detokenize {
    /// [REDACTED:<rule>:siv:…]; without any, those in the text on standard input
    pub tokens: Vec<String>,
    /// Who asks: a token that the console accepts
    #[arg(long, env = "HANSARD_TOKEN", value_name = "JWT", hide_env_values = true)]
    pub token: String,
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "all")]
#[derive(Debug, Subcommand)]
pub enum Quarantine {
    /// Lists the frames in quarantine: when, why and how large; never what
    List {
        #[arg(long)]
        json: bool,
    },
    /// Masks them again with the rules and keys of now; what can be masked goes into the trail, once
    Reprocess {
        /// Who asks: a token that the console accepts
        #[arg(long, env = "HANSARD_TOKEN", value_name = "JWT", hide_env_values = true)]
        token: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Topics {
    /// Shows the topics as they are to be
    Plan,
    /// Makes the topics that are not there; changes none that is
    Create,
    /// Names whatever differs from the plan
    Check,
    /// Shows the rights that each role needs, one Kafka user each, or gives them
    Acls {
        /// Gives the rights, as a user that may
        #[arg(long)]
        apply: bool,
        /// The principal of a role, if it is not User:<role>; may be given several times
        #[arg(long = "principal", value_name = "ROLE=User:NAME", value_parser = crate::topics::principal)]
        principals: Vec<(crate::topics::Party, String)>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// Lists held calls, the newest last
    List {
        /// Also those that are decided
        #[arg(long)]
        all: bool,
        #[arg(long)]
        json: bool,
    },
    /// Lets a held call go on
    Approve(Vote),
    /// Refuses a held call
    Deny(Vote),
}

#[derive(Debug, Args)]
pub struct Vote {
    /// approval_id, as `approvals list` shows it
    pub id: String,
    /// Who votes: a token that the console accepts
    #[arg(long, env = "HANSARD_TOKEN", value_name = "JWT", hide_env_values = true)]
    pub token: String,
    #[arg(long, default_value = "")]
    pub comment: String,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Lists the keys that frames are sealed to and opened with, and those of masking
    #[cfg(feature = "masker")]
    List {
        #[arg(long)]
        json: bool,
    },
    /// Makes the keys of a new data directory, without starting anything
    #[cfg(feature = "masker")]
    Generate,
    /// Makes a new key to seal to; the old ones go on opening. Takes effect at the next start
    #[cfg(feature = "masker")]
    Rotate {
        /// A new key for the tokens of masking instead; old tokens stay readable. Takes effect at once
        #[arg(long)]
        masking: bool,
    },
    /// Prints the public key that ingress seals to
    Public,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Reads a configuration and names every fault
    Check {
        /// [default: the one that the other commands would take]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TailFormat {
    /// All columns, as SQL has them
    Json,
    /// OCSF 1.8, API Activity
    Ocsf,
    /// Elastic Common Schema 8
    Ecs,
    /// ArcSight Common Event Format
    Cef,
}
