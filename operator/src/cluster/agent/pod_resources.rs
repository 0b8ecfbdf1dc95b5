//! What a kubelet answers on its PodResources socket, as far as devices go: messages of `v1.PodResourcesLister/List`.
//!
//! The numbers are those of the kubelet's published `podresources/v1/api.proto`; a recording of its own encoder is the test.
use prost::Message;

/// The answer.
#[derive(Clone, PartialEq, Message)]
pub struct ListPodResourcesResponse {
    /// Every pod that is admitted on the node and has not ended.
    #[prost(message, repeated, tag = "1")]
    pub pod_resources: Vec<PodResources>,
}

/// One pod.
#[derive(Clone, PartialEq, Message)]
pub struct PodResources {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its namespace.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Its containers.
    #[prost(message, repeated, tag = "3")]
    pub containers: Vec<ContainerResources>,
}

/// One container.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerResources {
    /// What device plugins gave it.
    #[prost(message, repeated, tag = "2")]
    pub devices: Vec<ContainerDevices>,
    /// What its claims gave it.
    #[prost(message, repeated, tag = "5")]
    pub dynamic_resources: Vec<DynamicResource>,
}

/// Devices of one resource.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerDevices {
    /// The resource's name.
    #[prost(string, tag = "1")]
    pub resource_name: String,
    /// Their ids, as the device plugin calls them.
    #[prost(string, repeated, tag = "2")]
    pub device_ids: Vec<String>,
}

/// Devices of one claim.
#[derive(Clone, PartialEq, Message)]
pub struct DynamicResource {
    /// Each device.
    #[prost(message, repeated, tag = "4")]
    pub claim_resources: Vec<ClaimResource>,
}

/// One device of a claim.
#[derive(Clone, PartialEq, Message)]
pub struct ClaimResource {
    /// The driver that gave it.
    #[prost(string, tag = "2")]
    pub driver_name: String,
    /// The device, as the driver calls it.
    #[prost(string, tag = "4")]
    pub device_name: String,
}
