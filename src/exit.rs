//! How the command ends: one status per meaning, and the chain of causes on standard error.

use std::{fmt, process::ExitCode};

/// What went wrong, by who can mend it.
#[derive(Debug)]
pub enum Failure {
    /// The arguments or the configuration are wrong (`EX_USAGE`).
    Usage(anyhow::Error),
    /// Something that is needed is not there or is taken: a port, a directory, a running `hansard up` (`EX_UNAVAILABLE`).
    Unavailable(anyhow::Error),
    /// The person is not allowed to, or the vote did not count (`EX_NOPERM`).
    Refused(anyhow::Error),
    Other(anyhow::Error),
}

impl Failure {
    fn parts(&self) -> (u8, &anyhow::Error) {
        match self {
            Failure::Usage(error) => (64, error),
            Failure::Unavailable(error) => (69, error),
            Failure::Refused(error) => (77, error),
            Failure::Other(error) => (1, error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.parts().1)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}

/// The status of a finished command, its failure told on standard error.
#[expect(clippy::print_stderr, reason = "the edge of the program")]
pub fn code(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    eprintln!("hansard: {failure}");
    ExitCode::from(failure.parts().0)
}

/// Clap's own message; asking for help or the version is no failure.
pub fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS }
}
