//! `approve`: gives leave to a plan of a cluster by its digest, in one's own name.
use crd::{
    id::Digest,
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
