//! The static rules: CEL for the API server and, word for word the same, for every offline check.
use kube::core::Rule as KubeRule;
use serde_json::{Value, json};

use crate::diagnostic::Explanation;

/// One rule, its sentence, and what the documentation says of it.
#[derive(Debug)]
pub struct Rule {
    /// Id, title and paragraph.
    pub explanation: Explanation,
    /// The CEL expression; `self` is the value that the rule stands on.
    pub expression: &'static str,
    /// The sentence that the API server and every offline check answer with.
    pub message: &'static str,
    /// The field below `self` that a person has to look at, `.size` form; empty for `self`.
    pub field: &'static str,
    /// What to do.
    pub help: &'static str,
}

macro_rules! rules {
    ($($name:ident {
        id: $id:literal, title: $title:literal, paragraph: $paragraph:literal,
        expression: $expression:literal, message: $message:literal, field: $field:literal, help: $help:literal,
    })*) => {
        $(
            #[doc = $title]
            pub static $name: Rule = Rule {
                explanation: Explanation { id: $id, title: $title, paragraph: $paragraph },
                expression: $expression,
                message: $message,
                field: $field,
                help: $help,
            };
        )*
        /// Every rule.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    GROUP_SIZE {
        id: "SP-V0007", title: "group size",
        paragraph: "P2P reaches at most 16 SoCs, and the compiler was only ever seen to take 1, 2, 4, 8 and 16. 8 Ultra cards are 32 SoCs: at least two groups of 16. A model may use fewer shards than its group has SoCs.",
        expression: "self in [1, 2, 4, 8, 16]",
        message: "size must be 1, 2, 4, 8 or 16",
        field: "",
        help: "write one of these; where more than 16 SoCs are meant, declare several groups",
    }
    MEMBERS_OR_AUTOMATIC {
        id: "SP-V0040", title: "members or automatic",
        paragraph: "A group's SoCs are either named one by one in `members`, or found by the planner as `automatic` says. Both together contradict each other; neither says nothing.",
        expression: "has(self.members) != has(self.automatic)",
        message: "give exactly one of members and automatic",
        field: "",
        help: "name the SoCs in `members`, or write `automatic: {per: Switch}` to have them found",
    }
    MEMBER_COUNT {
        id: "SP-V0041", title: "member count",
        paragraph: "A group of n SoCs names n members, the first of them rank 0.",
        expression: "!has(self.members) || size(self.members) == self.size",
        message: "members must list exactly as many SoCs as size says",
        field: ".members",
        help: "change `size`, or add or remove members",
    }
    MEMBER_NAMED_ONCE {
        id: "SP-V0042", title: "member named in one way",
        paragraph: "A member is named by PCI address, by path from its root port, or by MHI serial. Two names could disagree once a card is added and bus numbers shift.",
        expression: "(has(self.address) ? 1 : 0) + (has(self.path) ? 1 : 0) + (has(self.serial) ? 1 : 0) == 1",
        message: "name a member by exactly one of address, path and serial",
        field: "",
        help: "keep one: `path` and `serial` outlive an added card, `address` does not",
    }
    MEMBERS_UNIQUE {
        id: "SP-V0043", title: "member named twice",
        paragraph: "Each rank needs a SoC of its own, so no SoC is a member twice.",
        expression: "self.all(m, self.exists_one(n, n == m))",
        message: "members must differ from each other",
        field: "",
        help: "remove the repeated member, or name the SoC that was meant",
    }
    APPROVED_DIGEST {
        id: "SP-V0044", title: "approved digest",
        paragraph: "An approval names exactly what `plan` printed: a node's digest (`node:b3:` and 64 hexadecimal digits) or a rollout's (`rollout:b3:…`).",
        expression: "self.matches('^(node|rollout):b3:[0-9a-f]{64}$')",
        message: "an approved digest is node:b3: or rollout:b3: and 64 hexadecimal digits",
        field: "",
        help: "copy it whole from the last lines of `shardplane plan`",
    }
    WINDOW_START {
        id: "SP-V0045", title: "window start",
        paragraph: "A window opens at a time of day in UTC, written `HH:MM` with two digits each, and in quotes: YAML 1.1 readers take a plain `22:30` for the number 1350.",
        expression: "self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",
        message: "start is a time of day in UTC, HH:MM from 00:00 to 23:59",
        field: "",
        help: "write two digits for the hour and two for the minute, such as \"22:30\"",
    }
    SDK_VERSION {
        id: "SP-V0046", title: "SDK version",
        paragraph: "SDK versions are compared number by number: two or three numbers with dots between them.",
        expression: "self.matches('^[0-9]+[.][0-9]+([.][0-9]+)?$')",
        message: "minSdk is a version of two or three numbers, such as 1.17 or 1.21.0",
        field: "",
        help: "write the version as `qaic-version-util` prints it, without prefix or suffix",
    }
    DELETION_MDP {
        id: "SP-V0047", title: "MDP is undone only by Revert",
        paragraph: "`mdp: true` makes `Revert` switch multi-device partitioning off again, which resets SoCs. `Retain` undoes nothing, so the two contradict each other.",
        expression: "!has(self.mdp) || !self.mdp || self.rule == 'Revert'",
        message: "mdp: true needs rule: Revert, because Retain undoes nothing",
        field: ".mdp",
        help: "write `rule: Revert`, or remove `mdp`",
    }
    DELETION_TIMEOUT {
        id: "SP-V0098", title: "a deadline for nothing",
        paragraph: "`revertTimeoutSeconds` is how long a cluster keeps a deleted policy until all is put back. `Retain` puts nothing back, so there is nothing to wait for.",
        expression: "!has(self.revertTimeoutSeconds) || self.rule == 'Revert'",
        message: "revertTimeoutSeconds needs rule: Revert, because Retain puts nothing back",
        field: ".revertTimeoutSeconds",
        help: "write `rule: Revert`, or remove `revertTimeoutSeconds`",
    }
    ONE_SOURCE {
        id: "SP-V0048", title: "one model source",
        paragraph: "A model lies in one place: a folder or file beside the manifest (`path`), a volume (`pvc`) or a registry (`oci`).",
        expression: "(has(self.path) ? 1 : 0) + (has(self.pvc) ? 1 : 0) + (has(self.oci) ? 1 : 0) == 1",
        message: "give exactly one of path, pvc and oci",
        field: "",
        help: "keep the one that says where the model lies",
    }
    MODEL_DIGEST {
        id: "SP-V0049", title: "model digest",
        paragraph: "A declared model digest is BLAKE3 in the form `b3:` and 64 hexadecimal digits; a build from anything else is then refused.",
        expression: "self.matches('^b3:[0-9a-f]{64}$')",
        message: "a model digest is b3: and 64 hexadecimal digits",
        field: "",
        help: "`shardplane-worker inspect FOLDER` prints it; leave the field out to take whatever is there",
    }
    OCI_BY_DIGEST {
        id: "SP-V0050", title: "registry reference by digest",
        paragraph: "A tag can point elsewhere tomorrow, and two replicas would then serve different models. A reference therefore ends in `@sha256:` and 64 hexadecimal digits.",
        expression: "self.matches('^[^@]+@sha256:[0-9a-f]{64}$')",
        message: "an oci reference ends in @sha256: and 64 hexadecimal digits",
        field: "",
        help: "replace the tag by the digest that it stands for",
    }
    ONE_STORE {
        id: "SP-V0109", title: "one program store",
        paragraph: "In a cluster a program lies in one place: a volume (`pvc`) that the build's pod and the workers' mount, or a registry (`oci`) that the build pushes to and nodes pull from. A volume that one node alone mounts keeps all of these pods on that node; a registry does not.",
        expression: "has(self.pvc) != has(self.oci)",
        message: "give exactly one of pvc and oci",
        field: "",
        help: "keep the one that says where programs are to lie",
    }
    OCI_REPOSITORY {
        id: "SP-V0110", title: "registry and repository",
        paragraph: "Programs are pushed by their digest, so a store names a repository and no image in it. The registry is said, for where it is not each program that reads the name adds one of its own: its name has a dot or a port, or is `localhost`. What follows is in small letters.",
        expression: "self.matches('^(localhost|[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*:[0-9]{1,5}|[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+)(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)+$')",
        message: "a repository is a registry and a path, such as registry.example/team/programs, without tag or digest",
        field: "",
        help: "write the registry's name with a dot or a port, a slash, and a path in small letters; leave out any `:tag` or `@sha256:…`",
    }
    SHARD_RANGE {
        id: "SP-V0051", title: "shard count",
        paragraph: "A model is cut into 1 to 64 slices.",
        expression: "self >= 1 && self <= 64",
        message: "shards must be from 1 to 64",
        field: "",
        help: "a model has one slice at least, over P2P at most 16, and on AI100 1, 2, 4, 8 or 16",
    }
    SHARDS_OVER_P2P {
        id: "SP-V0052", title: "shards over P2P",
        paragraph: "P2P reaches at most 16 SoCs, whatever the server holds. More slices must meet through the host.",
        expression: "self.connectivity != 'P2P' || self.shards <= 16 || self.shards > 64",
        message: "over P2P shards must be at most 16",
        field: ".shards",
        help: "use at most 16 shards, or `connectivity: ThroughHost`",
    }
    BUILD_SHARDS_ON_CARDS {
        id: "SP-V0053", title: "shards on AI100",
        paragraph: "The vendor's compiler was only ever seen to partition over 1, 2, 4, 8 or 16 SoCs.",
        expression: "self.target != 'AI100' || self.topology.shards in [1, 2, 4, 8, 16] || self.topology.shards > 16",
        message: "on AI100 shards must be 1, 2, 4, 8 or 16",
        field: ".topology.shards",
        help: "choose one of these counts; `target: CPU` takes those between them too",
    }
    BUILD_PRECISION {
        id: "SP-V0054", title: "precision of the target",
        paragraph: "The in-tree runtime packs F32, Bf16, Int8 and Int4; the vendor's compiler takes Fp16 and Mxfp6.",
        expression: "self.target == 'AI100' ? self.precision in ['Fp16', 'Mxfp6'] : self.precision in ['F32', 'Bf16', 'Int8', 'Int4']",
        message: "precision must be F32, Bf16, Int8 or Int4 on CPU, and Fp16 or Mxfp6 on AI100",
        field: ".precision",
        help: "choose a precision that the target has",
    }
    BUILD_ACCELERATOR {
        id: "SP-V0055", title: "accelerator options off the card",
        paragraph: "`accelerator` holds options of the vendor's compiler, which a program for the CPU never meets.",
        expression: "!has(self.accelerator) || self.target == 'AI100'",
        message: "accelerator is for target AI100 only",
        field: ".accelerator",
        help: "remove `accelerator`, or write `target: AI100`",
    }
    BUILD_CORES {
        id: "SP-V0056", title: "cores off the card",
        paragraph: "`cores` counts the cores of a SoC. A rank on the CPU has threads, which the worker chooses.",
        expression: "!has(self.topology.cores) || self.target == 'AI100'",
        message: "cores is for target AI100 only",
        field: ".topology.cores",
        help: "remove `cores`, or write `target: AI100`",
    }
    PROMPT_LENGTH {
        id: "SP-V0057", title: "prompt longer than the context",
        paragraph: "The context holds prompt and answer together, so no pass over a prompt is longer than it.",
        expression: "!has(self.promptLength) || self.promptLength <= self.contextLength",
        message: "promptLength must be at most contextLength",
        field: ".promptLength",
        help: "make `promptLength` smaller or `contextLength` larger",
    }
    BUILD_OR_MODEL {
        id: "SP-V0058", title: "buildRef or model",
        paragraph: "A served model comes either from a `ModelBuild` of its own (`buildRef`) or from a model that is built for it (`model`, with `target` and `precision`).",
        expression: "has(self.buildRef) != has(self.model)",
        message: "give exactly one of buildRef and model",
        field: "",
        help: "keep `buildRef` where a ModelBuild is declared, else `model`",
    }
    MODEL_NEEDS_TARGET {
        id: "SP-V0059", title: "target and precision of a model",
        paragraph: "Without a `ModelBuild` nothing else says what the model runs on and how its weights are stored, and there are no hidden defaults.",
        expression: "!has(self.model) || (has(self.target) && has(self.precision))",
        message: "target and precision are required with model",
        field: ".model",
        help: "add both, such as `target: CPU` and `precision: Int8`",
    }
    BUILD_SAYS {
        id: "SP-V0080", title: "what the build says",
        paragraph: "With `buildRef`, the build decides target, precision, compiler options and where the program lies; saying them twice would let them disagree.",
        expression: "!has(self.buildRef) || !(has(self.target) || has(self.precision) || has(self.accelerator) || has(self.store))",
        message: "with buildRef, target, precision, accelerator and store are the build's to say",
        field: ".buildRef",
        help: "remove `target`, `precision`, `accelerator` and `store` here",
    }
    MODEL_SHARDS_ON_CARDS {
        id: "SP-V0081", title: "shards of a model on AI100",
        paragraph: "The vendor's compiler was only ever seen to partition over 1, 2, 4, 8 or 16 SoCs.",
        expression: "!has(self.target) || self.target != 'AI100' || self.shards in [1, 2, 4, 8, 16] || self.shards > 16",
        message: "on AI100 shards must be 1, 2, 4, 8 or 16",
        field: ".shards",
        help: "choose one of these counts; `target: CPU` takes those between them too",
    }
    MODEL_PRECISION {
        id: "SP-V0082", title: "precision of the model's target",
        paragraph: "The in-tree runtime packs F32, Bf16, Int8 and Int4; the vendor's compiler takes Fp16 and Mxfp6.",
        expression: "!has(self.target) || !has(self.precision) || (self.target == 'AI100' ? self.precision in ['Fp16', 'Mxfp6'] : self.precision in ['F32', 'Bf16', 'Int8', 'Int4'])",
        message: "precision must be F32, Bf16, Int8 or Int4 on CPU, and Fp16 or Mxfp6 on AI100",
        field: ".precision",
        help: "choose a precision that the target has",
    }
    MODEL_ACCELERATOR {
        id: "SP-V0083", title: "accelerator options of a model off the card",
        paragraph: "`accelerator` holds options of the vendor's compiler, which a program for the CPU never meets.",
        expression: "!has(self.accelerator) || !has(self.target) || self.target == 'AI100'",
        message: "accelerator is for target AI100 only",
        field: ".accelerator",
        help: "remove `accelerator`, or write `target: AI100`",
    }
    PORTS_FIT {
        id: "SP-V0084", title: "ports of the replicas",
        paragraph: "The first replica listens on `port` and each further one on the next, and no TCP port is above 65535.",
        expression: "!has(self.serving.port) || !has(self.replicas) || self.serving.port + self.replicas <= 65536",
        message: "port + replicas - 1 must be at most 65535",
        field: ".serving.port",
        help: "choose a lower port or fewer replicas",
    }
    SHORT_NAME {
        id: "SP-V0085", title: "name too long for its pods",
        paragraph: "Pods are named after the object with a suffix, and a pod's host name holds at most 63 characters, which leaves 52 for the object's name.",
        expression: "size(self.metadata.name) <= 52",
        message: "metadata.name must be at most 52 characters, because pods are named after it",
        field: "",
        help: "choose a shorter name",
    }
    PLAIN_NAME {
        id: "SP-V0108", title: "name that no address can have",
        paragraph: "Clients reach a model by a Service of its name, and a Service's name is one label of a host name: it has no dots. Kubernetes before 1.35 wants it to begin with a letter too.",
        expression: "self.metadata.name.matches('^[a-z][^.]*$')",
        message: "metadata.name must begin with a letter and have no dots, because a Service is named after it",
        field: "",
        help: "write `-` in place of `.`, and a word before a number, as in llama-3-1-8b",
    }
    PLAN_IMMUTABLE {
        id: "SP-V0086", title: "a change plan does not change",
        paragraph: "People approve a change plan by digest. If its spec could change afterwards, they would have approved something else.",
        expression: "self == oldSelf",
        message: "the spec of a ChangePlan does not change; make another one",
        field: "",
        help: "delete the object and let the controller plan again",
    }
    NODE_DIGEST {
        id: "SP-V0087", title: "node digest",
        paragraph: "A node's digest is `node:b3:` and 64 hexadecimal digits.",
        expression: "self.matches('^node:b3:[0-9a-f]{64}$')",
        message: "a node digest is node:b3: and 64 hexadecimal digits",
        field: "",
        help: "copy it whole from the plan",
    }
    ROLLOUT_DIGEST {
        id: "SP-V0088", title: "rollout digest",
        paragraph: "A rollout's digest is `rollout:b3:` and 64 hexadecimal digits.",
        expression: "self.matches('^rollout:b3:[0-9a-f]{64}$')",
        message: "a rollout digest is rollout:b3: and 64 hexadecimal digits",
        field: "",
        help: "copy it whole from the plan",
    }
    DRIVER_PERSISTENCE {
        id: "SP-V0094", title: "driver persistence without a parameter",
        paragraph: "`persistence: Persist` keeps declared parameters over a boot. Where none is declared there is nothing to keep.",
        expression: "!has(self.persistence) || self.persistence == 'Runtime' || has(self.controlResponseTimeoutSeconds)",
        message: "persistence: Persist needs controlResponseTimeoutSeconds, or there is nothing to keep",
        field: ".persistence",
        help: "add `controlResponseTimeoutSeconds`, or remove `persistence`",
    }
    HOST_PERSISTENCE {
        id: "SP-V0095", title: "host persistence without a setting",
        paragraph: "`persistence: Persist` keeps declared settings over a boot. Where none is declared there is nothing to keep.",
        expression: "!has(self.persistence) || self.persistence == 'Runtime' || has(self.maxMapCount)",
        message: "persistence: Persist needs maxMapCount, or there is nothing to keep",
        field: ".persistence",
        help: "add `maxMapCount`, or remove `persistence`",
    }
    QUANTITY {
        id: "SP-V0096", title: "amount of a resource",
        paragraph: "Amounts are written as Kubernetes writes them: a number, and behind it `m` for a thousandth, a power of 1000 (k, M, G, T) or one of 1024 (Ki, Mi, Gi, Ti).",
        expression: "self.matches('^[0-9]{1,15}([.][0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$')",
        message: "an amount is a number with a unit behind it where one is needed, such as 500m, 4 or 16Gi",
        field: "",
        help: "write processors as `2` or `500m`, and memory as `16Gi`",
    }
    TOLERATION {
        id: "SP-V0106", title: "a toleration that matches nothing",
        paragraph: "A toleration names a taint's key, or with `operator: Exists` and no key all taints. `Exists` looks at no value, and only `NoExecute` ends pods, so that only there a time makes sense. The API server refuses all else in a pod.",
        expression: "((has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')) && (!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists') && (!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute'))",
        message: "a toleration has a key or operator Exists, no value beside Exists, and tolerationSeconds beside effect NoExecute alone",
        field: "",
        help: "write it as `kubectl explain pod.spec.tolerations` has it: `{key: dedicated, operator: Equal, value: ai, effect: NoSchedule}`",
    }
    OBJECT_NAME {
        id: "SP-V0107", title: "name of an object beside it",
        paragraph: "What a pod takes from its namespace is called as objects are: lower-case letters and digits, with `-` and `.` between them.",
        expression: "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        message: "a name is lower-case letters and digits, with - and . between them",
        field: "",
        help: "write the object's own name, as `kubectl get` prints it",
    }
    CACHE_LAYERS {
        id: "SP-V0097", title: "cache precision without layers",
        paragraph: "The compiler is told the precision of the KV cache tensor by tensor, and their names count the decoder layers.",
        expression: "!has(self.kvPrecision) || has(self.layers)",
        message: "kvPrecision needs layers: the tensors of the cache are named by them",
        field: ".kvPrecision",
        help: "add `layers`, the number of decoder layers that the model has, or remove `kvPrecision`",
    }
    WINDOW_DAYS {
        id: "SP-V0089", title: "window days repeat",
        paragraph: "A window opens on each of its days once.",
        expression: "self.all(d, self.exists_one(e, e == d))",
        message: "days must differ from each other",
        field: "",
        help: "remove the repeated day",
    }
}

impl Rule {
    /// The rule as a custom resource definition carries it.
    pub fn to_kube(&self) -> KubeRule {
        let rule = KubeRule::new(self.expression).message(self.message);
        match self.field {
            "" => rule,
            field => rule.field_path(field),
        }
    }
}

/// Rules as the `x-kubernetes-validations` of a schema.
pub(crate) fn validations(rules: &[&Rule]) -> Value {
    json!(rules.iter().map(|rule| rule.to_kube()).collect::<Vec<_>>())
}
