//! Programs of Debian's, unpacked into the cache folder and run from there: nothing is installed, and nobody need be root.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::{parts, program};

/// The programs, and the libraries that not every machine has.
const PACKAGES: [&str; 11] = [
    "kcat",
    "libyajl2",
    "librdkafka1",
    "liblz4-1",
    "libsasl2-2",
    "libsasl2-modules-db",
    "rsyslog",
    "rsyslog-kafka",
    "libestr0",
    "libfastjson4",
    "liblognorm5",
];

/// A folder that is laid out as a root is.
#[derive(Debug)]
pub struct Debian {
    root: PathBuf,
    libraries: PathBuf,
}

impl Debian {
    /// Or why there is none.
    pub fn unpacked() -> Option<&'static Debian> {
        static FOUND: OnceLock<Result<Debian, String>> = OnceLock::new();
        parts::given(FOUND.get_or_init(unpack))
    }

    /// Ready to be told what it is to do.
    pub fn kcat(&self) -> Command {
        self.command("usr/bin/kcat")
    }

    /// In the foreground, with its modules.
    pub fn rsyslogd(&self) -> Command {
        let mut command = self.command("usr/sbin/rsyslogd");
        command.arg("-n").arg("-M").arg(self.libraries.join("rsyslog"));
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.root.join(program));
        command.env("LD_LIBRARY_PATH", &self.libraries).stdin(Stdio::null());
        command
    }

    /// Both programs find all that they need.
    fn works(&self) -> Result<(), String> {
        parts::run(self.kcat().arg("-V"))?;
        parts::run(self.rsyslogd().arg("-v"))
    }
}

/// One folder per list of packages, made once and whole.
fn unpack() -> Result<Debian, String> {
    let mut hasher = DefaultHasher::new();
    PACKAGES.hash(&mut hasher);
    let folder = parts::cache().join(format!("debian-{:016x}", hasher.finish()));
    if !folder.is_dir() {
        let aside = folder.with_extension(std::process::id().to_string());
        fetch(&aside)?;
        // Whoever comes second finds those of the first.
        if fs::rename(&aside, &folder).is_err() {
            let _ = fs::remove_dir_all(&aside);
        }
    }
    let libraries =
        program::folders(&folder.join("usr/lib")).into_iter().find(|path| path.join("librdkafka.so.1").exists());
    let libraries = libraries.ok_or_else(|| format!("{} holds no librdkafka", folder.display()))?;
    let debian = Debian { root: folder, libraries };
    debian.works().map(|()| debian)
}

fn fetch(aside: &Path) -> Result<(), String> {
    let packages = aside.join("packages");
    fs::create_dir_all(packages.join("lists/partial"))
        .map_err(|error| format!("cannot make {}: {error}", aside.display()))?;
    // apt's lists are its own here: those of the machine may be missing, and belong to root.
    let lists = format!("Dir::State::Lists={}", packages.join("lists").display());
    let cache = format!("Dir::Cache={}", packages.display());
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["300", "apt-get", "-q", "-o", &lists, "-o", &cache, "-o", "APT::Sandbox::User="]).args(arguments);
        parts::run(command.current_dir(&packages).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&[&["download"][..], &PACKAGES].concat())?;
    let archives =
        program::files(&packages).into_iter().filter(|file| file.extension().is_some_and(|name| name == "deb"));
    for archive in archives {
        parts::run(Command::new("dpkg").arg("-x").arg(&archive).arg(aside))?;
    }
    fs::remove_dir_all(&packages).map_err(|error| format!("cannot clear {}: {error}", packages.display()))
}
