//! `approve`: gives leave to a plan of a cluster by its digest, in one's own name.
use crd::{
    id::{Digest, NodeName},
    kind::{API_VERSION, ChangePlan, GivenApproval},
};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube_client::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{connection, controller::number, names::APPROVER};
use crate::{
    cli::{ApproveArgs, Environment},
    console::Console,
    exit::Exit,
    failure::{self, Failure},
};

/// `approve`
pub fn run(
    args: &ApproveArgs,
    environment: &Environment,
    console: &Console,
) -> Result<Exit, Failure> {
    connection::once(async {
        let client = connection::client(args.cluster.kubeconfig.as_deref(), environment).await?;
        let by = who(&client).await?;
        let plans = Api::<ChangePlan>::all(client);
        let all = plans
            .list(&ListParams::default())
            .await
            .map_err(|error| refused("listing change plans", &error))?;
        let newest = all
            .items
            .into_iter()
            .filter(|plan| covers(plan, &args.digest))
            .max_by_key(|plan| number(&plan.name_any()));
        let Some(plan) = newest else {
            return Err(Failure::said(
                Exit::Stale,
                format!("no ChangePlan has {}", args.digest),
                "look at `kubectl get changeplans`: the plan was made anew, or is for another cluster",
            ));
        };
        let name = plan.name_any();
        match standing(&plan, &args.digest) {
            Before::All { by } => {
                console.result(&format!(
                    "{name}: {} is approved already, with the whole rollout, by {by}\n",
                    args.digest
                ));
                return Ok(Exit::Ok);
            }
            Before::Another { node, by } if !args.replace => {
                return Err(Failure::said(
                    Exit::Blocked,
                    format!(
                        "{name} holds one approval, and that of {node}, by {by}, has not begun: this one would take its place"
                    ),
                    format!(
                        "approve the whole rollout ({}), or list the digests of several nodes in a policy's `spec.approval.digests`; --replace gives up {node}'s",
                        plan.spec.digest.0
                    ),
                ));
            }
            Before::Nothing | Before::Another { .. } => {}
        }
        let given = GivenApproval {
            digest: Digest(args.digest.clone()),
            by: by.clone(),
        };
        let patch = json!({
            "apiVersion": API_VERSION,
            "kind": "ChangePlan",
            "metadata": { "name": name },
            "status": { "approval": given },
        });
        // Somebody may have approved another node's before.
        let parameters = PatchParams::apply(APPROVER).force();
        plans
            .patch_status(&name, &parameters, &Patch::Apply(patch))
            .await
            .map_err(|error| refused(&format!("approving {name}"), &error))?;
        console.result(&format!("{name}: {} approved by {by}\n", args.digest));
        Ok(Exit::Ok)
    })
}

/// What was approved of a plan before, and would be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing that is still waited for.
    Nothing,
    /// All of it.
    All { by: String },
    /// Another node, which has not begun.
    Another { node: NodeName, by: String },
}

fn standing(plan: &ChangePlan, digest: &str) -> Before {
    let Some(status) = &plan.status else {
        return Before::Nothing;
    };
    let Some(GivenApproval { digest: given, by }) = &status.approval else {
        return Before::Nothing;
    };
    if given.0 == digest {
        return Before::Nothing;
    }
    let by = by.clone();
    if given.0 == plan.spec.digest.0 {
        return Before::All { by };
    }
    let waits = plan.spec.nodes.iter().find(|planned| {
        let begun = status
            .nodes
            .iter()
            .any(|outcome| outcome.node == planned.node);
        planned.digest.0 == given.0 && !begun
    });
    match waits {
        Some(planned) if plan.spec.digest.0 != digest => Before::Another {
            node: planned.node.clone(),
            by,
        },
        Some(_) | None => Before::Nothing,
    }
}

fn covers(plan: &ChangePlan, digest: &str) -> bool {
    plan.spec.digest.0 == digest || plan.spec.nodes.iter().any(|node| node.digest.0 == digest)
}

/// The name by which the API server knows us.
async fn who(client: &Client) -> Result<String, Failure> {
    let me = Api::<SelfSubjectReview>::all(client.clone())
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .map_err(|error| refused("asking the API server who we are", &error))?;
    me.status
        .and_then(|status| status.user_info)
        .and_then(|user| user.username)
        .ok_or_else(|| {
            Failure::said(
                Exit::Unavailable,
                "asking the API server who we are: it does not say",
                "",
            )
        })
}

/// A request that was not answered as it should be.
pub(super) fn refused(doing: &str, error: &kube_client::Error) -> Failure {
    match error {
        kube_client::Error::Api(status) => {
            let exit = if matches!(status.code, 401 | 403 | 422) {
                Exit::NoPermission
            } else {
                Exit::Unavailable
            };
            Failure::said(exit, format!("{doing}: {}", status.message), "")
        }
        other => Failure::said(
            Exit::Unavailable,
            format!("{doing}: {}", failure::chain(other)),
            "is the API server of this kubeconfig up?",
        ),
    }
}

#[cfg(test)]
mod tests {
    use crd::kind::{ChangePlanSpec, PlannedSummary};

    use super::*;

    fn plan(approved: Option<&str>, begun: &[&str]) -> ChangePlan {
        let digest = |name: &str| format!("node:b3:{name:0>64}");
        let nodes: Vec<_> = ["a1", "b2"]
            .iter()
            .map(|name| json!({ "node": name, "digest": digest(name) }))
            .collect();
        let rollout = format!("rollout:b3:{:0>64}", "c3");
        let approved = approved.map(|name| match name {
            "c3" => rollout.clone(),
            name => digest(name),
        });
        let outcomes: Vec<_> = begun
            .iter()
            .map(|name| json!({ "node": name, "outcome": "Applying" }))
            .collect();
        let mut status = json!({ "nodes": outcomes });
        if let Some(digest) = approved {
            status["approval"] = json!({ "digest": digest, "by": "apollo" });
        }
        let spec: ChangePlanSpec = serde_json::from_value(json!({
            "digest": rollout, "order": ["a1", "b2"], "nodes": nodes,
            "summary": PlannedSummary::default(),
        }))
        .unwrap();
        let mut plan = ChangePlan::new("rollout-0001-c3", spec);
        plan.status = Some(serde_json::from_value(status).unwrap());
        plan
    }

    /// An approval that nobody has made use of is not lost without a word.
    #[test]
    fn one_that_waits_is_not_replaced_unasked() {
        let by = || "apollo".to_owned();
        let digest = |name: &str| format!("node:b3:{name:0>64}");
        let rollout = format!("rollout:b3:{:0>64}", "c3");
        let another = Before::Another {
            node: NodeName::from("a1"),
            by: by(),
        };
        for (approved, begun, asked, expected) in [
            (None, &[][..], digest("b2"), Before::Nothing),
            (Some("a1"), &[], digest("b2"), another),
            (Some("a1"), &["a1"], digest("b2"), Before::Nothing),
            (Some("a1"), &[], digest("a1"), Before::Nothing),
            (Some("a1"), &[], rollout.clone(), Before::Nothing),
            (Some("c3"), &[], digest("a1"), Before::All { by: by() }),
            (Some("c3"), &[], rollout, Before::Nothing),
        ] {
            let plan = plan(approved, begun);
            assert_eq!(
                standing(&plan, &asked),
                expected,
                "{approved:?} {begun:?} {asked}"
            );
        }
    }
}
