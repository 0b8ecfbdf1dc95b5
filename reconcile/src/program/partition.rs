//! Partition configs in the vendor's form: logical devices only, so that a program fits any equivalent group.
use crd::{
    id::LogicalDevice,
    kind::{Connectivity, TopologyShape},
    program::{Partition, PartitionConfig, PartitionConnection, PartitionDevice},
};

/// Why there is no partition config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// Devices do not divide evenly over stages; the remainder would stay idle.
    #[error(
        "{shards} SoCs do not divide over {stages} stages; choose a number of stages that divides {shards}"
    )]
    Uneven {
        /// Devices.
        shards: u32,
        /// Stages.
        stages: usize,
    },
}

/// A config for `topology.shards` devices of `cores` cores each.
///
/// `stages` holds each pipeline stage's ONNX nodes in topological order; empty means one stage that holds the whole
/// model, sliced over all devices. `connections` is there over P2P with two devices or more: absent means through
/// the host.
pub fn partition_config(
    topology: &TopologyShape,
    cores: u32,
    stages: &[Vec<String>],
) -> Result<PartitionConfig, PartitionError> {
    let shards = topology.shards;
    let count = u32::try_from(stages.len().max(1)).unwrap_or(u32::MAX);
    if !shards.is_multiple_of(count) || shards < count {
        return Err(PartitionError::Uneven {
            shards,
            stages: stages.len(),
        });
    }
    let width = shards / count;
    let partitions = (0..count)
        .map(|stage| Partition {
            name: format!("Partition{stage}"),
            devices: (stage * width..(stage + 1) * width)
                .map(|device| PartitionDevice {
                    device_id: LogicalDevice(device),
                    num_cores: cores,
                })
                .collect(),
            node_list: stages.get(stage as usize).cloned(),
        })
        .collect();
    let direct = topology.connectivity == Connectivity::P2P && shards > 1;
    Ok(PartitionConfig {
        connections: direct.then(|| {
            vec![PartitionConnection {
                devices: (0..shards).map(LogicalDevice).collect(),
                kind: "p2p".into(),
            }]
        }),
        partitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_are_the_vendors_key_for_key() {
        let shape = |shards, connectivity| TopologyShape {
            shards,
            cores: None,
            connectivity,
        };
        let device = |id: u32| format!(r#"{{"deviceId":{id},"numCores":16}}"#);
        for (shape, stages, expected) in [
            (
                shape(2, Connectivity::P2P),
                vec![],
                format!(
                    r#"{{"connections":[{{"devices":[0,1],"type":"p2p"}}],"partitions":[{{"name":"Partition0","devices":[{},{}]}}]}}"#,
                    device(0),
                    device(1)
                ),
            ),
            (
                shape(2, Connectivity::ThroughHost),
                vec![],
                format!(
                    r#"{{"partitions":[{{"name":"Partition0","devices":[{},{}]}}]}}"#,
                    device(0),
                    device(1)
                ),
            ),
            (
                shape(2, Connectivity::P2P),
                vec![vec!["/a".to_owned()], vec!["/b".to_owned()]],
                format!(
                    r#"{{"connections":[{{"devices":[0,1],"type":"p2p"}}],"partitions":[{{"name":"Partition0","devices":[{}],"nodeList":["/a"]}},{{"name":"Partition1","devices":[{}],"nodeList":["/b"]}}]}}"#,
                    device(0),
                    device(1)
                ),
            ),
        ] {
            let config = partition_config(&shape, 16, &stages).expect("divides");
            assert_eq!(serde_json::to_string(&config).unwrap(), expected);
        }
        let stages = vec![Vec::new(); 3];
        assert!(partition_config(&shape(4, Connectivity::P2P), 16, &stages).is_err());
    }
}
