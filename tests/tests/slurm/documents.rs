//! The documents about Slurm: their scripts run as they stand, both languages hold the same ones, and
//! the messages that they explain are the program's.
//!
//! In them a block that begins with `#!/bin/bash` is a job script; the ```` ```text ```` block after it
//! is what its log holds, line by line. A ```` ```sh setup ```` block is typed on the login node before
//! all jobs. A ```` ```sql ```` block that begins with `-- NAME` is the file of that name.

use partita_tests::process::wait_for;
use partita_tests::slurm::{self, Nodes};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All jobs at once, on a machine that is busy with others.
const ALL_BOUND: Duration = Duration::from_secs(300);
/// Where the messages come from.
const SOURCES: [&str; 9] =
    ["cli", "client", "core", "net", "observe", "plan", "scheduler", "shared", "worker"];
/// The shortest piece of a message that is looked for in the sources.
const PIECE_CHARS_MIN: usize = 8;

/// One of the documents.
struct Document {
    /// The language, which names folders.
    language: &'static str,
    text: String,
}

/// A job script.
struct Script {
    text: String,
    /// Lines that its log holds; a line of the log may be longer.
    output: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn documents() -> [Document; 2] {
    [("en", "slurm.md"), ("fr", "slurm.fr.md")].map(|(language, name)| {
        let path = root().join("docs").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        Document { language, text }
    })
}

impl Document {
    /// The fenced blocks: what stands behind the fence, and the text.
    fn blocks(&self) -> Vec<(&str, String)> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let Some(info) = line.strip_prefix("```") else { continue };
            let inside = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((info, inside.map(|line| format!("{line}\n")).collect()));
        }
        blocks
    }

    fn scripts(&self) -> Vec<Script> {
        let blocks = self.blocks();
        let mut scripts = Vec::new();
        for (at, (_, text)) in blocks.iter().enumerate() {
            if !text.starts_with("#!/bin/bash\n") {
                continue;
            }
            let next = blocks.get(at + 1).filter(|(info, _)| *info == "text");
            let (_, output) = next.unwrap_or_else(|| panic!("what does this print?\n{text}"));
            let output = output.lines().map(str::to_string).collect();
            scripts.push(Script { text: text.clone(), output });
        }
        scripts
    }

    /// What is typed before all jobs.
    fn setup(&self) -> String {
        let blocks = self.blocks().into_iter();
        blocks.filter(|(info, _)| *info == "sh setup").map(|(_, text)| text).collect()
    }

    /// Files that scripts read, with their names.
    fn files(&self) -> Vec<(String, String)> {
        let named = |(info, text): (&str, String)| {
            let name = text.lines().next()?.strip_prefix("-- ").filter(|_| info == "sql")?;
            Some((name.to_string(), text.clone()))
        };
        self.blocks().into_iter().filter_map(named).collect()
    }

    /// The depth of each heading.
    fn headings(&self) -> Vec<usize> {
        let outside: Vec<&str> = self.text.split("```").step_by(2).collect();
        let lines = outside.iter().flat_map(|part| part.lines());
        let depth = |line: &str| line.find(|c| c != '#').filter(|depth| *depth > 0);
        lines.filter_map(depth).collect()
    }

    /// The messages that the last table explains.
    fn messages(&self) -> Vec<&str> {
        let at = self.text.rfind("\n## ").expect("a last section");
        let rows = self.text[at..].lines().filter(|line| line.starts_with("| `"));
        rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect()
    }
}

/// A script without what only people read.
fn without_comments(script: &str) -> String {
    let is_comment = |line: &&str| {
        let line = line.trim_start();
        line.starts_with('#') && !line.starts_with("#!") && !line.starts_with("#SBATCH")
    };
    script.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n")
}

/// Both languages have the same sections, scripts, files and messages.
#[test]
fn both_languages_say_the_same() {
    let [english, french] = documents();
    assert_eq!(english.headings(), french.headings());
    assert_eq!(english.files(), french.files());
    assert_eq!(english.setup(), french.setup());
    assert_eq!(english.messages(), french.messages());
    let (ours, theirs) = (english.scripts(), french.scripts());
    assert!(ours.len() > 8, "{} scripts were found", ours.len());
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(without_comments(&ours.text), without_comments(&theirs.text));
        assert_eq!(ours.output, theirs.output, "{}", ours.text);
    }
}

/// The text of all sources, without the breaks inside string literals.
fn sources() -> String {
    let mut all = String::new();
    let mut folders: Vec<PathBuf> = SOURCES.iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                all += &std::fs::read_to_string(&path).expect("a source");
            }
        }
    }
    let mut parts = all.split("\\\n");
    let mut joined = parts.next().unwrap_or_default().to_string();
    parts.for_each(|part| joined += part.trim_start());
    joined
}

/// Each message in the last table is one of the program's, but for the system's own: `…` stands for
/// what changes.
#[test]
fn messages_are_the_programs() {
    let sources = sources();
    let [english, _] = documents();
    let messages = english.messages();
    assert!(messages.len() > 15, "{messages:?}");
    let of_the_system = ["command not found", "GLIBC"];
    for message in messages {
        if of_the_system.iter().any(|word| message.contains(word)) {
            continue;
        }
        let pieces: Vec<&str> = message.split('…').map(str::trim).collect();
        assert!(pieces.iter().any(|piece| piece.len() >= PIECE_CHARS_MIN), "{message}");
        for piece in pieces {
            assert!(sources.contains(piece), "`{piece}` of `{message}` is in no source");
        }
    }
}

/// A job script that was submitted from a folder of its own.
struct Submitted {
    script: Script,
    folder: String,
    id: u64,
}

impl Submitted {
    fn new(nodes: &Nodes, folder: &str, number: usize, script: Script) -> Self {
        let own = format!("{folder}-{number}");
        nodes.run(&["cp", "-r", folder, &own]).ok();
        let name = format!("{own}/script-{number}.sh");
        nodes.write(&name, &script.text);
        let place = format!("--chdir=/home/{}/{own}", nodes.user());
        let id = nodes.submit(&name, &[&place]).id;
        Submitted { script, folder: own, id }
    }

    /// The states of its jobs: an array has several. None if Slurm does not say.
    fn states(&self, nodes: &Nodes) -> Option<BTreeSet<String>> {
        let id = self.id.to_string();
        let ran = nodes.run(&["squeue", "-h", "-t", "all", "-o", "%T", "-j", &id]);
        let states: BTreeSet<String> = ran.text().split_whitespace().map(str::to_string).collect();
        (ran.code == 0 && !states.is_empty()).then_some(states)
    }

    /// What its jobs wrote.
    fn log(&self, nodes: &Nodes) -> String {
        let (whole, part) = (format!("-{}.out", self.id), format!("-{}_", self.id));
        let folder = nodes.home().join(&self.folder);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        let is_log = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(&whole) || name.contains(&part)
        };
        let logs = paths.iter().filter(|path| is_log(path));
        logs.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
    }

    /// Waits for its end, which must be a good one with the output that the document states.
    fn check(&self, nodes: &Nodes) {
        let running = ["PENDING", "CONFIGURING", "RUNNING", "COMPLETING"];
        let script = &self.script.text;
        let states = wait_for(&format!("the end of this job:\n{script}"), ALL_BOUND, || {
            let states = self.states(nodes)?;
            states.iter().all(|state| !running.contains(&state.as_str())).then_some(states)
        });
        let log = self.log(nodes);
        let good = BTreeSet::from(["COMPLETED".to_string()]);
        assert_eq!(states, good, "{script}\n{log}");
        for expected in &self.script.output {
            let found = log.lines().any(|line| line.starts_with(expected));
            assert!(found, "`{expected}` is not in the log of\n{script}\n{log}");
        }
    }
}

/// Every script of both documents, as it stands; where both have the very same, once. All nodes are
/// taken, because a script may submit jobs of its own.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn every_script_runs() {
    let nodes = slurm::nodes(4);
    // What makes the data asks on the login host, before any cluster is there to be asked.
    for document in documents() {
        let folder = document.language;
        nodes.run(&["mkdir", folder]).ok();
        for (name, text) in document.files() {
            nodes.write(&format!("{folder}/{name}"), &text);
        }
        let setup = format!("set -e; cd {folder}\n{}", document.setup());
        nodes.run(&["bash", "-c", &setup]).ok();
    }
    let mut seen = BTreeSet::new();
    let mut submitted = Vec::new();
    for document in documents() {
        let folder = document.language;
        for (number, script) in document.scripts().into_iter().enumerate() {
            if seen.insert(script.text.clone()) {
                submitted.push(Submitted::new(&nodes, folder, number, script));
            }
        }
    }
    for job in &submitted {
        job.check(&nodes);
    }
}
