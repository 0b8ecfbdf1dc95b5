//! Models in a cluster: builds become Jobs, models become Deployments with a Service and a disruption budget.
//!
//! `stores` follow the objects, `world` is what one turn sees of them, `decide` turns it into `writes`: `recipe` (what a
//! build comes to), `builds` and `job` (who builds it), `words` (what is said of that), `serving` and `workers` (who serves it),
//! `standing` (how that goes), `artifact` (what of it lies in a registry), `unread` (what of another version is left as it is),
//! `obstacle` (what keeps a pod from starting), `podless` (that there is none), `placeless` (that no node takes it), `lost`
//! (that its node is not ready), `evicted` (that its node ended it), `since` (for how long something has been so), `claims` (which volumes it waits for, and from
//! where they may be mounted), `pod` (what all pods have in common), `wanted` (whether it stands there already).
//! `measures` is for those who watch.
//!
//! Whoever leads the cards leads the models, in turns of their own: neither waits for the other.
mod artifact;
mod builds;
mod claims;
mod decide;
mod evicted;
mod job;
mod lost;
mod measures;
mod obstacle;
mod placeless;
mod pod;
mod podless;
mod recipe;
mod serving;
mod since;
mod standing;
mod stores;
#[cfg(test)]
mod tests;
mod unread;
mod wanted;
mod words;
mod workers;
mod world;
mod writes;

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use kube_client::Client;
use machine::Timestamp;

use crate::cluster::{
    condition::Standing,
    connection,
    controller::Numbers,
    telemetry::log::{Level, Log},
    term::{LIMIT, LOOK, PATIENCE, REST, SIGHT, Term, WRITES, now},
};
use claims::Unusable;
use decide::decide;
use evicted::Evicted;
use lost::Lost;
pub use measures::{Measures, Replicas};
use placeless::Placeless;
use podless::Podless;
use stores::Stores;
use world::{Artifacts, Object, Refusal, World};
use writes::{Write, Written, write};

/// How an object stands, with a reason and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    standing: Standing,
    reason: String,
    message: String,
}

/// The API server did not take an object.
fn refused(object: &Object, refusal: &Refusal) -> Verdict {
    let why = &refusal.why;
    stalled(
        "Refused",
        format!("the API server does not take {object}: {why}; it is tried again"),
    )
}

fn stalled(reason: &str, message: impl Into<String>) -> Verdict {
    Verdict {
        standing: Standing::Stalled,
        reason: reason.to_owned(),
        message: message.into(),
    }
}

fn working(reason: &str, message: impl Into<String>) -> Verdict {
    Verdict {
        standing: Standing::Working,
        reason: reason.to_owned(),
        message: message.into(),
    }
}

/// Said where what decisions depend on does not come.
const UNLISTED: &str = "models and builds are left as they are: the API server does not list all that they depend on; may this account read it, persistentvolumeclaims too, as charts/shardplane/manifests/roles.yaml has it?";

/// The first minor version of Kubernetes in which a volume may be an image unless somebody switched that off: `ImageVolume` is
/// on by default since 1.35 and cannot be switched off since 1.36 (`pkg/features/kube_features.go`).
const IMAGE_VOLUMES: (u32, u32) = (1, 35);

/// What was not taken, and when that was.
type Refusals = BTreeMap<Object, (Refusal, Timestamp)>;

/// The models' part of a controller.
pub struct Models<'a> {
    /// The API server.
    pub client: Client,
    /// Where trouble is told.
    pub log: Log<'a>,
    /// What is counted.
    pub numbers: Arc<Numbers>,
    /// Whether it leads, and when a turn begins.
    pub term: Term,
    /// This controller's name.
    pub me: String,
    /// The image that builds and serves for target `CPU`.
    pub image: Option<String>,
}

impl Models<'_> {
    /// Works while this controller leads, until it is asked to end.
    pub async fn serve(&self) {
        let mut told = false;
        while !self.term.is_over() {
            let Some(epoch) = self.term.epoch() else {
                tokio::time::sleep(LOOK).await;
                continue;
            };
            while self.term.leads(epoch) {
                let stores = Stores::follow(&self.client, &self.me, self.term.changed());
                let artifacts = tokio::time::timeout(LIMIT, self.artifacts()).await;
                let Ok(Ok(artifacts)) = artifacts else {
                    // A server that is away, the cards' part tells.
                    self.term.wait(epoch, PATIENCE).await;
                    continue;
                };
                if tokio::time::timeout(LIMIT, stores.ready()).await == Ok(true) {
                    self.turns(epoch, &stores, artifacts).await;
                } else if !told {
                    // A server that is away, the cards' part tells; roles that are older than this program nobody else sees.
                    self.log.say(Level::Warning, UNLISTED, &[]);
                    told = true;
                }
            }
        }
    }

    /// How pods get programs from a registry at this server, which may be another version in the next term.
    async fn artifacts(&self) -> Result<Artifacts, kube_client::Error> {
        let version = self.client.apiserver_version().await?;
        Ok(artifacts(&version.major, &version.minor))
    }

    /// Turns, until it leads no more or has lost sight of its own writes.
    async fn turns(&self, epoch: i64, stores: &Stores, artifacts: Artifacts) {
        let mut unseen: Vec<Written> = Vec::new();
        let mut refusals = Refusals::new();
        let mut podless = Podless::default();
        let mut placeless = Placeless::default();
        let mut lost = Lost::default();
        let mut evicted = Evicted::default();
        let mut unusable = Unusable::default();
        let mut trouble = String::new();
        let mut since = now();
        while self.term.leads(epoch) {
            unseen.retain(|written| !stores.have_seen(written));
            if !unseen.is_empty() {
                if since.until(now()) > SIGHT {
                    return;
                }
                self.term.wait(epoch, LOOK).await;
                continue;
            }
            let mut world = self.world(stores, artifacts, &refusals);
            world.podless = podless.look(&world);
            world.placeless = placeless.look(&world);
            world.lost = lost.look(&world);
            world.evicted = evicted.look(&world);
            world.unusable = unusable.look(&world);
            self.numbers.modelled(measures::measures(&world));
            let writes = decide(&world);
            if writes.is_empty() {
                self.term.wait(epoch, REST).await;
                continue;
            }
            let ended = self.write(epoch, &writes, &mut refusals).await;
            unseen = ended.written;
            since = now();
            if let Some(why) = ended.failed {
                if !why.is_empty() && why != trouble {
                    self.log.say(Level::Warning, &why, &[]);
                    trouble = why;
                }
                self.term.wait(epoch, PATIENCE).await;
            }
        }
    }

    fn world(&self, stores: &Stores, artifacts: Artifacts, refusals: &Refusals) -> World {
        let mut world = stores.world(self.image.as_deref(), artifacts, now());
        for (object, (refusal, at)) in refusals {
            let again = at.until(world.now) >= REST;
            let refusal = Refusal {
                again,
                ..refusal.clone()
            };
            world.refused.insert(object.clone(), refusal);
        }
        world
    }

    /// Writes, some at once.
    async fn write(&self, epoch: i64, writes: &[Write], refusals: &mut Refusals) -> Ended {
        let mut under_way = futures::stream::iter(writes)
            .map(|to| async move {
                // A leader that lost its term in the middle of a turn writes no further.
                if !self.term.leads(epoch) {
                    return None;
                }
                Some((
                    to,
                    tokio::time::timeout(LIMIT, write(&self.client, to)).await,
                ))
            })
            .buffer_unordered(WRITES);
        let mut ended = Ended::default();
        while let Some(one) = under_way.next().await {
            match one {
                None => {}
                Some((to, Ok(Ok(written)))) => {
                    if let Write::Apply { object, .. } = to {
                        refusals.remove(object);
                    }
                    self.numbers.wrote(written.kind.name());
                    ended.written.push(written);
                }
                Some((to, Ok(Err(error)))) => match refusal(to, &error) {
                    Some((object, refusal)) => {
                        self.numbers.failed("refused");
                        refusals.insert(object, (refusal, now()));
                    }
                    None => self.numbers.failed(ended.fails(&error)),
                },
                Some((_, Err(_))) => {
                    self.numbers.failed("unanswered");
                    let why = "writing failed: the API server does not answer";
                    ended.failed = Some(why.to_owned());
                }
            }
        }
        ended
    }
}

/// What a server of this version takes. Some write a sign behind the number (`35+`).
fn artifacts(major: &str, minor: &str) -> Artifacts {
    let number = |text: &str| {
        let digits = text.find(|c: char| !c.is_ascii_digit());
        let (number, _) = text.split_at(digits.unwrap_or(text.len()));
        number.parse::<u32>().unwrap_or_default()
    };
    if (number(major), number(minor)) >= IMAGE_VOLUMES {
        Artifacts::Mounted
    } else {
        Artifacts::Copied
    }
}

/// How the writes of a turn ended.
#[derive(Debug, Default)]
struct Ended {
    written: Vec<Written>,
    /// What went wrong; empty where only the version had moved on.
    failed: Option<String>,
}

impl Ended {
    /// Why, in the word that it is counted by.
    fn fails(&mut self, error: &kube_client::Error) -> &'static str {
        let reason = match error {
            // It was decided on another version: the next turn sees that one.
            kube_client::Error::Api(status) if matches!(status.code, 404 | 409) => {
                self.failed.get_or_insert_with(String::new);
                return "conflict";
            }
            kube_client::Error::Api(_) => "refused",
            _ => "unanswered",
        };
        let why = format!("writing failed: {}", connection::why(error));
        // The same one of several every time, so that it is told once.
        let told = self.failed.take();
        self.failed = told
            .filter(|first| !first.is_empty() && *first < why)
            .or(Some(why));
        reason
    }
}

/// An object that the server looked at and did not take, which trying again at once does not change.
fn refusal(to: &Write, error: &kube_client::Error) -> Option<(Object, Refusal)> {
    let (
        Write::Apply {
            object,
            body,
            version,
        },
        kube_client::Error::Api(status),
    ) = (to, error)
    else {
        return None;
    };
    let why = match (status.code, version) {
        (400 | 403 | 422, _) => status.message.clone(),
        // There is one that we know nothing of.
        (409, None) => format!(
            "one of that name is there and is somebody else's ({})",
            status.message
        ),
        _ => return None,
    };
    let refusal = Refusal {
        applied: wanted::applied(body).unwrap_or_default().to_owned(),
        why,
        again: false,
    };
    Some((object.clone(), refusal))
}

#[cfg(test)]
mod versions {
    use super::*;

    #[test]
    fn an_artifact_is_mounted_where_the_server_takes_that() {
        for (major, minor, expected) in [
            ("1", "34", Artifacts::Copied),
            ("1", "34+", Artifacts::Copied),
            ("1", "35", Artifacts::Mounted),
            ("1", "35+", Artifacts::Mounted),
            ("1", "37-eks-1", Artifacts::Mounted),
            ("2", "0", Artifacts::Mounted),
            ("", "", Artifacts::Copied),
        ] {
            assert_eq!(artifacts(major, minor), expected, "{major}.{minor}");
        }
    }
}
