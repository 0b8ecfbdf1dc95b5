//! One node that repeats a script: each status when it is granted what the script's own node was granted at that time.
use std::{sync::Arc, time::Duration};

use crd::{plan::NodePlan, snapshot::HardwareSnapshot};
use futures::{AsyncBufReadExt, StreamExt};
use http::Request;
use operator::cluster::{names::AGENT, packed};
use serde_json::{Value, json};

use crate::{
    Failed,
    made::Virtual,
    script::{Granted, KIND, Said, Script, watching},
};

/// A server that sends somebody away after a pause of this length will not come round.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A node in the middle of the script.
struct Echo {
    node: Virtual,
    pilot: String,
    /// Statuses that were published.
    done: usize,
    /// The last grant that it had.
    grant: Value,
    /// The snapshot packed last, and its JSON as the script has it.
    packed: Option<(String, Value)>,
    digest: Value,
}

/// Repeats a script, for ever.
pub async fn echo(node: Virtual, script: Script) -> Result<(), Failed> {
    let Script { pilot, mut said } = script;
    let watching = patiently(|| {
        let request = watching(&node.name);
        let client = node.client.clone();
        async move { Ok(client.request_stream(request?).await?) }
    });
    let watching = watching.await?;
    let mut lines = watching.lines();
    let mut echo = Echo {
        node,
        pilot,
        done: 0,
        grant: Value::Null,
        packed: None,
        digest: Value::Null,
    };
    let mut object = Value::Null;
    loop {
        tokio::select! {
            line = lines.next() => {
                let Some(line) = line else {
                    return Err(format!("the watch of {} has ended", echo.node.name).into());
                };
                let event: Value = serde_json::from_str(&line?)?;
                object = event["object"].clone();
            }
            // Nothing is lost where the other is chosen: the next look sees all that was said.
            changed = said.changed() => changed?,
        }
        if object.is_null() {
            continue;
        }
        let granted = Granted::of(&object, &echo.node.name);
        if granted.is_there && object["spec"]["grant"] != echo.grant {
            echo.grant = object["spec"]["grant"].clone();
        }
        loop {
            let next = said.borrow_and_update().get(echo.done).cloned();
            let Some(next) = next.filter(|next| next.when == granted) else {
                break;
            };
            echo.publish(&object, &next).await?;
            echo.done += 1;
        }
    }
}

/// Asks again for as long as the server has too much to do, as the agent's own client does: it is the whole crowd that asks.
async fn patiently<T, Asked>(mut ask: impl FnMut() -> Asked) -> Result<T, Failed>
where
    Asked: Future<Output = Result<T, Failed>> + Send,
{
    let mut pause = Duration::from_millis(500);
    loop {
        match ask().await {
            // The client's type of errors is its own; the code stands in its words.
            Err(why) if why.to_string().contains("code: 429") && pause < LONGEST_PAUSE => {
                tokio::time::sleep(pause).await;
                pause = pause.mul_f32(1.5);
            }
            ended => return ended,
        }
    }
}

impl Echo {
    async fn publish(&mut self, object: &Value, said: &Arc<Said>) -> Result<(), Failed> {
        let status = self.status(object, said)?;
        let body = json!({
            "apiVersion": "shardplane.dev/v1alpha1",
            "kind": "CardNode",
            "metadata": { "name": self.node.name },
            "status": status,
        });
        let path = format!(
            "{KIND}/{}/status?fieldManager={AGENT}&force=true",
            self.node.name
        );
        let body = serde_json::to_vec(&body)?;
        let client = self.node.client.clone();
        let put = || {
            let request = Request::patch(&path)
                .header("content-type", "application/apply-patch+yaml")
                .header("accept", "application/json")
                .body(body.clone());
            let client = client.clone();
            async move { Ok(client.request::<Value>(request?).await?) }
        };
        patiently(put).await?;
        Ok(())
    }

    /// The status as this node says it.
    fn status(&mut self, object: &Value, said: &Said) -> Result<Value, Failed> {
        let boot = said.status["bootId"].as_str().ok_or("a boot id")?;
        let own = |text: &str| {
            text.replace(&self.pilot, &self.node.name)
                .replace(boot, &self.node.boot_id)
        };
        let mut status: Value = serde_json::from_str(&own(&said.status.to_string()))?;
        let known = self
            .packed
            .as_ref()
            .filter(|(text, _)| *text == said.snapshot);
        let snapshot = if let Some((_, packed)) = known {
            packed.clone()
        } else {
            let snapshot: HardwareSnapshot = serde_json::from_str(&own(&said.snapshot))?;
            let packed = json!(packed::pack(&snapshot, packed::SNAPSHOT_LIMIT)?);
            self.digest = json!(reconcile::snapshot_digest(&snapshot));
            self.packed = Some((said.snapshot.clone(), packed.clone()));
            packed
        };
        status["snapshot"] = snapshot;
        status["snapshotDigest"] = self.digest.clone();
        status["nodeUid"] = json!(self.node.uid);
        status["observedGeneration"] = object["metadata"]["generation"].clone();
        if let Some(conditions) = status["conditions"].as_array_mut() {
            for condition in conditions {
                condition["observedGeneration"] = object["metadata"]["generation"].clone();
            }
        }
        if status.get("grant").is_some() {
            self.is_for_us(&status["grant"])?;
            for field in ["digest", "decidedOn", "leaseEpoch"] {
                status["grant"][field] = self.grant[field].clone();
            }
        }
        Ok(status)
    }

    /// Whether the grant is one that an agent would carry out here, down to the step that it waits at.
    fn is_for_us(&self, progress: &Value) -> Result<(), Failed> {
        let name = &self.node.name;
        let text = self.grant["plan"].as_str().ok_or("a grant has a plan")?;
        let plan: NodePlan = packed::unpack(text)?;
        let found = reconcile::node_digest(&plan.steps);
        let awaits = progress.get("awaiting").and_then(Value::as_str);
        let has = |step: &str| plan.steps.iter().any(|planned| planned.id.as_str() == step);
        let fits = plan.node.as_str() == name
            && json!(found) == self.grant["digest"]
            && json!(self.node.boot_id) == self.grant["bootId"]
            && json!(self.node.uid) == self.grant["nodeUid"]
            && awaits.is_none_or(has);
        if fits {
            Ok(())
        } else {
            Err(format!("what {name} is granted does not fit it").into())
        }
    }
}
