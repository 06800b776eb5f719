//! Processes that end when the one that started them does, however that ends: each hangs on a pipe of its parent.
//!
//! A key of the terminal that interrupts all of them must not interrupt the watcher first: then nobody would be left to
//! end a program that takes no notice, as one does that a shell runs in the background.

use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

/// Becomes the program, so that its process id is that of the shell; a watcher beside it, which no signal reaches before it
/// is there, ends it at the end of the pipe.
const SHELL: &str = r#"trap '' INT TERM HUP; exec 3<&0; (cat <&3; kill -9 $$) >/dev/null 2>&1 &
                     trap - INT TERM HUP; exec "$@" </dev/null 3<&-"#;

/// Runs `program` with the arguments that are added. Its standard input is empty; that of the command is the pipe, and
/// belongs to the [`std::process::Child`]: whoever keeps that keeps the program.
pub fn tethered(program: impl AsRef<OsStr>) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", SHELL, "sh"]).arg(program).stdin(Stdio::piped());
    shell
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::unix::process::CommandExt,
        process::{Child, ExitStatus},
    };

    use super::*;

    /// A program that takes no notice of interrupts, as Java does where a shell runs it in the background.
    fn stubborn() -> Child {
        let mut command = tethered("sh");
        command.args(["-c", "trap '' INT; echo; while :; do sleep 0.01; done"]);
        let mut child = command.stdout(Stdio::piped()).process_group(0).spawn().expect("there is a shell");
        child.stdout.take().expect("it is piped").read_exact(&mut [0]).expect("it says that it runs");
        child
    }

    fn end(mut child: Child) -> ExitStatus {
        drop(child.stdin.take());
        child.wait().expect("it is a child of ours")
    }

    #[test]
    fn it_ends_with_the_pipe_even_after_an_interrupt_of_all() {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(end(stubborn()).signal(), Some(9));
        let child = stubborn();
        let group = format!("-{}", child.id());
        assert!(Command::new("kill").args(["-INT", "--", &group]).status().expect("kill").success());
        assert_eq!(end(child).signal(), Some(9));
    }
}
