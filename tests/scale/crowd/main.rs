//! Virtual nodes for the scale run: makes their Nodes at an API server, and plays the agent of each, all in one process.
//!
//! `crowd KUBECONFIG COUNT PILOT FOLDER`: every node does what the agent of the node PILOT is seen doing, with its own name,
//! boot and grant, and without the time that a machine takes: `script` records that agent, `echo` repeats it, `made` makes
//! the nodes. A file `begun` in the folder says that every node is made. It ends when it is killed.
mod echo;
mod made;
mod script;

use std::{env, error::Error, ffi::OsString, fs, path::Path, process::ExitCode};

use operator::{
    cli::Environment,
    cluster::connection,
    console::{ColorChoice, Console},
};
use tokio::task::JoinSet;

/// Anything that can go wrong in a run: it is told, and fails the run.
type Failed = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let console = Console::new(ColorChoice::Never, true, true);
    match run(&env::args_os().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            console.note(&format!("crowd: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> Result<(), Failed> {
    let [kubeconfig, count, pilot, folder] = arguments else {
        return Err("crowd KUBECONFIG COUNT PILOT FOLDER".into());
    };
    let text = |argument: &OsString| argument.clone().into_string().map_err(|_| "it is no text");
    let (kubeconfig, count, pilot) = (Path::new(kubeconfig), text(count)?, text(pilot)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let admin = connection::client(Some(kubeconfig), &Environment::default()).await?;
        let nodes = made::nodes(&admin, kubeconfig, Path::new(folder), count.parse()?).await?;
        let (script, recording) = script::recorded(admin, pilot);
        let mut at_work = JoinSet::new();
        at_work.spawn(recording);
        for node in nodes {
            at_work.spawn(echo::echo(node, script.clone()));
        }
        fs::write(Path::new(folder).join("begun"), "")?;
        // Without one of them the rest would be waited for in vain.
        match at_work.join_next().await {
            Some(ended) => ended?,
            None => Ok(()),
        }
    })
}
