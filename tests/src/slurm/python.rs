//! A Python for the jobs of the cluster's users. The environment that the tests were given, and the
//! Python that it was made of, may lie in a home that is closed to others.

#![expect(clippy::expect_used, reason = "a harness of tests: what goes wrong here fails the test")]

use super::Nodes;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the interpreter of the environment with the packages of the tests.
pub const VARIABLE: &str = "PARTITA_TEST_PYTHON";

/// Packages that a job needs beside Partita's own; what they consist of begins so.
const PACKAGES: [&str; 8] = [
    "pyarrow",
    "numpy",
    "pandas",
    "cloudpickle",
    "dateutil",
    "six.py",
    "python_dateutil",
    "tzdata",
];

/// Makes files visible to the cluster's users.
fn share(from: &Path, to: &Path) {
    let copy = Command::new("cp").args(["-rL", "--reflink=auto"]).arg(from).arg(to).output();
    assert!(copy.expect("cp").status.success(), "{} could not be shared", from.display());
}

/// Where the interpreter is inside the cluster, for an environment: made of what is in it, or of the
/// packages that jobs of Partita need, with the package itself.
pub fn environment(nodes: &Nodes, environment: &Path, name: &str, own: bool) -> String {
    let inside = format!("/srv/{name}/bin/python");
    let folder = nodes.folder().join(name);
    // Tests run beside each other: the first makes it, the others wait.
    let _one_at_a_time = nodes.sharing();
    if folder.join("bin/python").exists() {
        return inside;
    }
    fs::create_dir_all(folder.join("packages")).expect("a folder");
    fs::create_dir_all(folder.join("bin")).expect("a folder");
    let config = fs::read_to_string(environment.join("pyvenv.cfg")).expect("pyvenv.cfg");
    let home = config.lines().find_map(|line| line.strip_prefix("home = "));
    let home = PathBuf::from(home.expect("pyvenv.cfg names a home"));
    let packages = packages(environment);
    let wanted = |name: &str| !own || PACKAGES.iter().any(|wanted| name.starts_with(wanted));
    for entry in fs::read_dir(&packages).expect("the packages").flatten() {
        if wanted(&entry.file_name().to_string_lossy()) {
            share(&entry.path(), &folder.join("packages"));
        }
    }
    if own {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/partita");
        share(&sources, &folder.join("packages"));
    }
    let python = match home.starts_with("/usr") {
        true => home.join("python3").display().to_string(),
        false => {
            let made_of = home.parent().expect("a folder above bin").to_path_buf();
            share(&made_of, &folder.join("made-of"));
            format!("/srv/{name}/made-of/bin/python3")
        }
    };
    let start = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH=/srv/{name}/made-of/lib PYTHONPATH=/srv/{name}/packages\n\
         export PYTHONDONTWRITEBYTECODE=1\nexec {python} \"$@\"\n"
    );
    let program = folder.join("bin/python");
    fs::write(&program, start).expect("a script");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("its mode");
    inside
}

fn packages(environment: &Path) -> PathBuf {
    let lib = environment.join("lib");
    let versions = fs::read_dir(&lib).expect("lib of the environment").flatten();
    let mut found = versions.map(|entry| entry.path().join("site-packages"));
    found.find(|path| path.is_dir()).expect("site-packages")
}

/// The interpreter for jobs, inside the cluster, made of the one that the tests were given.
pub fn of_tests(nodes: &Nodes) -> String {
    let given = std::env::var(VARIABLE).expect("PARTITA_TEST_PYTHON names an interpreter");
    let found = Path::new(&given).parent().and_then(Path::parent).expect("an environment");
    environment(nodes, found, "python", true)
}
