//! What holds for the command line as a whole.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

fn giemsa() -> Command {
    Command::cargo_bin("giemsa").unwrap()
}

fn stdout_of(arguments: &[&str]) -> String {
    let run = giemsa().args(arguments).assert().success();
    String::from_utf8(run.get_output().stdout.clone()).unwrap()
}

/// The names in the list of commands that `--help` prints.
fn commands() -> Vec<String> {
    let help = stdout_of(&["--help"]);
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(names.contains(&"fetch".to_owned()), "{help}");
    names.into_iter().filter(|name| name != "help").collect()
}

#[test]
fn the_help_of_every_command_ends_with_examples_of_it() {
    for command in commands() {
        let help = stdout_of(&[&command, "--help"]);
        let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
        assert!(examples.contains(&format!("giemsa {command}")), "{command}: {help}");
    }
}

#[test]
fn the_help_says_what_the_exit_codes_mean_and_what_it_is_for() {
    giemsa().arg("--help").assert().success().stdout(
        contains("Exit codes: 0 done, 1 failed, 2 usage, 3").and(contains("For research use only, not for diagnosis.")),
    );
}

#[test]
fn says_its_version() {
    giemsa().arg("--version").assert().success().stdout(format!("giemsa {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_wrong() {
    let cases: [(&[&str], &str); 6] = [
        (&[], "Usage:"),
        (&["--frobnicate"], "unexpected argument '--frobnicate'"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["fetch", "--frobnicate"], "unexpected argument '--frobnicate'"),
        (&["completions"], "<SHELL>"),
        (&["--threads", "0", "man"], "--threads"),
    ];
    for (arguments, expected) in cases {
        giemsa().args(arguments).assert().code(2).stdout("").stderr(contains(expected));
    }
}

#[test]
fn prints_no_colour_where_no_color_is_set_or_there_is_no_terminal() {
    let escape = contains("\x1b");
    for value in ["1", ""] {
        giemsa().env("NO_COLOR", value).arg("--help").assert().stdout(escape.clone().not());
        giemsa().env("NO_COLOR", value).arg("--frobnicate").assert().stderr(escape.clone().not());
    }
}

/// `script` gives the program a terminal; a machine without it can only run the test above.
#[cfg(target_os = "linux")]
#[test]
fn prints_colour_on_a_terminal_unless_no_color_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    let line = format!("{} man --out {}", assert_cmd::cargo::cargo_bin("giemsa").display(), taken.display());
    let on_terminal = |no_color: Option<&str>| {
        let mut script = std::process::Command::new("script");
        script.args(["--quiet", "--command", &line, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
        no_color.map(|value| script.env("NO_COLOR", value));
        script.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    match (on_terminal(None), on_terminal(Some("1"))) {
        (Ok(coloured), Ok(plain)) => {
            assert!(coloured.contains("\x1b[1;31merror:\x1b[0m"), "{coloured:?}");
            assert!(plain.contains("error:") && !plain.contains('\x1b'), "{plain:?}");
        }
        _ => eprintln!("skipped: there is no `script` here"),
    }
}

#[test]
fn completions_name_every_command_in_every_shell() {
    let commands = commands();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout_of(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
    }
}

/// Lets each shell that is there read its script without running it.
#[cfg(unix)]
#[test]
fn completions_are_syntax_that_the_shells_accept() {
    for shell in ["bash", "zsh", "fish"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        std::fs::write(&path, stdout_of(&["completions", shell])).unwrap();
        match std::process::Command::new(shell).arg("-n").arg(&path).output() {
            Ok(output) => {
                assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
            }
            Err(_) => eprintln!("skipped: there is no {shell} here"),
        }
    }
}

#[test]
fn a_manual_page_is_printed_or_all_are_written() {
    let page = stdout_of(&["man"]);
    assert!(page.contains(".TH giemsa 1"), "{page}");

    let folder = tempfile::tempdir().unwrap();
    giemsa().args(["man", "--out"]).arg(folder.path().join("man1")).assert().success().stdout("");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
    assert!(read("giemsa.1").contains(".TH giemsa 1"));
    for command in commands() {
        let page = read(&format!("giemsa-{command}.1"));
        assert!(page.contains(&format!(".TH giemsa-{command} 1")) && page.contains("Examples"), "{page}");
    }
}

#[test]
fn an_error_is_said_once_with_the_file_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    let run = giemsa().args(["man", "--out"]).arg(&taken).assert().code(1).stdout("");
    let stderr = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    assert!(stderr.starts_with(&format!("error: {}", taken.display())), "{stderr}");
    assert_eq!(stderr.matches("File exists").count(), 1, "{stderr}");
}

/// The reader of a pipe may leave early, as `head` does.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("giemsa"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = command.args(["completions", "bash"]).stdout(writer).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    assert!(run.status.success(), "{:?}", run.status);
}
