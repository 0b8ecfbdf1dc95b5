//! Program keys and compiler calls: what enters them, and what never does.
use std::collections::BTreeMap;

use crd::{
    Fact,
    declaration::Declaration,
    id::{Digest, ObjectRef},
    kind::{
        AcceleratorOptions, Connectivity, KvPrecision, ModelBuildSpec, ModelSource, OciSource,
        Precision, ProgramShapes, PvcSource, Target, TopologyShape,
    },
    program::ProgramRequest,
    snapshot::{HardwareSnapshot, Toolchain, Tools},
};
use reconcile::program::{compiler_call, declared_model, key, tools_of_image, wanted};

use crate::{declare::object, world::two_ultras};

fn tools(program: &str, version: &str) -> Tools {
    let mut tools = two_ultras("lab").tools;
    let toolchain = Toolchain {
        program: program.into(),
        version: version.into(),
    };
    tools.compiler = Fact::known(toolchain, "test");
    tools
}

fn request(target: Target) -> ProgramRequest {
    ProgramRequest {
        object: ObjectRef {
            kind: "ModelBuild".into(),
            namespace: Some("default".into()),
            name: "tiny".into(),
        },
        source: ModelSource {
            path: Some("tiny".into()),
            ..ModelSource::default()
        },
        declared_in: "a.yaml".into(),
        target,
        precision: match target {
            Target::CPU => Precision::F32,
            Target::AI100 => Precision::Mxfp6,
        },
        shapes: ProgramShapes {
            context_length: 1024,
            batch: 4,
            prompt_length: None,
        },
        topology: TopologyShape {
            shards: 4,
            cores: Some(16),
            connectivity: Connectivity::P2P,
        },
        accelerator: None,
        model: Some(Digest("b3:aa".into())),
        key: None,
    }
}

#[test]
fn keys_hold_what_changes_a_program_and_nothing_else() {
    type Change = fn(&mut ProgramRequest, &mut Tools);
    let rows: Vec<(Target, &str, Change, bool)> = vec![
        (
            Target::CPU,
            "a moved folder",
            |r, _| r.source.path = Some("elsewhere".into()),
            true,
        ),
        (
            Target::CPU,
            "another file",
            |r, _| r.declared_in = "b.yaml".into(),
            true,
        ),
        (
            Target::CPU,
            "another name",
            |r, _| r.object.name = "huge".into(),
            true,
        ),
        (
            Target::CPU,
            "cores of SoCs that it does not use",
            |r, _| r.topology.cores = Some(8),
            true,
        ),
        (
            Target::CPU,
            "another compiler for cards",
            |_, t| *t = tools("qaic-exec", "1.20.0"),
            true,
        ),
        (
            Target::CPU,
            "another instruction set",
            |_, t| set_isa(t, "avx512"),
            false,
        ),
        (
            Target::CPU,
            "another model",
            |r, _| r.model = Some(Digest("b3:bb".into())),
            false,
        ),
        (
            Target::CPU,
            "more shards",
            |r, _| r.topology.shards = 2,
            false,
        ),
        (
            Target::CPU,
            "through the host",
            |r, _| r.topology.connectivity = Connectivity::ThroughHost,
            false,
        ),
        (
            Target::CPU,
            "another precision",
            |r, _| r.precision = Precision::Int8,
            false,
        ),
        (
            Target::AI100,
            "a default written out",
            |r, _| r.shapes.prompt_length = Some(128),
            true,
        ),
        (
            Target::AI100,
            "default options written out",
            |r, _| {
                r.accelerator = Some(AcceleratorOptions {
                    kv_precision: Some(KvPrecision::Fp16),
                    depth_first: Some(false),
                    ..AcceleratorOptions::default()
                });
            },
            true,
        ),
        (
            Target::AI100,
            "another instruction set of the machine",
            |_, t| set_isa(t, "avx512"),
            true,
        ),
        (
            Target::AI100,
            "fewer cores",
            |r, _| r.topology.cores = Some(14),
            false,
        ),
        (
            Target::AI100,
            "another compiler",
            |_, t| *t = tools("qaic-compile", "1.22.0"),
            false,
        ),
    ];
    for (target, name, change, same) in rows {
        let (before, installed) = (request(target), tools("qaic-compile", "1.21.0"));
        let (mut after, mut then) = (before.clone(), installed.clone());
        change(&mut after, &mut then);
        let keys = (key(&before, &installed), key(&after, &then));
        assert!(keys.0.is_some() && keys.1.is_some(), "{name}");
        assert_eq!(keys.0 == keys.1, same, "{name}");
    }
    let unknown = ProgramRequest {
        model: None,
        ..request(Target::CPU)
    };
    assert_eq!(key(&unknown, &tools("qaic-compile", "1.21.0")), None);
}

fn set_isa(tools: &mut Tools, name: &str) {
    if let Some(worker) = &mut tools.worker.value {
        worker.instruction_set = name.into();
    }
}

#[test]
fn each_compiler_is_spoken_to_in_its_dialect() {
    let whole = ProgramRequest {
        accelerator: Some(AcceleratorOptions {
            kv_precision: Some(KvPrecision::Mxint8),
            weight_split_cores: Some(2),
            depth_first: Some(true),
            compressed_links: Some(true),
            layers: Some(1),
        }),
        ..request(Target::AI100)
    };
    let common = [
        "-retained-state",
        "-convert-to-fp16",
        "-mxfp6-matmul",
        "-mos=2",
        "-aic-enable-depth-first",
        "-allow-mxint8-mdp-io",
        "-network-specialization-config={dir}/specializations.json",
        "-custom-IO-list-file={dir}/custom_io.yaml",
        "-mdp-load-partition-config={dir}/mdp_ts_4.json",
        "-aic-binary-dir={out}",
        "-m={model}",
        "-aic-hw",
        "-aic-num-cores=16",
    ];
    for (program, version, own, not, named) in [
        (
            "qaic-exec",
            "1.20.0",
            vec!["-aic-hw-version=2.0", "-compile-only"],
            "-aic-hw-version=ai100",
            false,
        ),
        (
            "qaic-compile",
            "1.21.0",
            vec!["-aic-hw-version=ai100"],
            "-compile-only",
            false,
        ),
        (
            "qaic-compile",
            "1.22.3",
            vec!["-aic-hw-version=ai100"],
            "-compile-only",
            true,
        ),
    ] {
        let call = compiler_call(&whole, &tools(program, version)).expect("a call");
        assert_eq!(call.program, program);
        for flag in common.iter().chain(&own) {
            assert!(
                call.arguments.iter().any(|a| a == flag),
                "{program} {version}: no {flag}: {:?}",
                call.arguments
            );
        }
        assert!(!call.arguments.iter().any(|a| a == not));
        let file = |name: &str| {
            call.files
                .iter()
                .find(|(file, _)| file == name)
                .map(|(_, text)| text.clone())
        };
        let shapes = file("specializations.json").expect("specializations");
        assert_eq!(shapes.contains("\"symbols\""), named, "{shapes}");
        assert!(
            shapes.contains("\"full_batch_size\": \"4\"")
                && shapes.contains("\"seq_len\": \"128\"")
        );
        let custom = file("custom_io.yaml").expect("custom I/O");
        assert_eq!(custom.matches("Precision: mxint8").count(), 4, "{custom}");
        assert!(custom.starts_with(" - IOName: past_key.0\n   Precision: mxint8\n"));
        assert!(
            file("mdp_ts_4.json")
                .expect("partitions")
                .contains("\"type\": \"p2p\"")
        );
    }
    for (change, says) in [
        (
            ProgramRequest {
                precision: Precision::F32,
                ..whole.clone()
            },
            "F32",
        ),
        (
            ProgramRequest {
                topology: TopologyShape {
                    cores: None,
                    ..whole.topology
                },
                ..whole.clone()
            },
            "cores",
        ),
        (request(Target::CPU), "target CPU"),
    ] {
        let refused =
            compiler_call(&change, &tools("qaic-compile", "1.21.0")).expect_err("refused");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    assert!(compiler_call(&whole, &tools("gcc", "14")).is_err());
}

#[test]
fn a_program_of_an_image_is_keyed_by_the_image_and_by_what_the_declaration_says_of_the_model() {
    let request = request(Target::CPU);
    let of = |image: &str| key(&request, &tools_of_image(image));
    assert!(of("worker@sha256:aa").is_some());
    assert_ne!(of("worker@sha256:aa"), of("worker@sha256:bb"));
    assert_eq!(
        key(
            &self::request(Target::AI100),
            &tools_of_image("worker@sha256:aa")
        ),
        None,
        "the vendor's compiler is in no image of ours"
    );

    let volume = ModelSource {
        pvc: Some(PvcSource {
            claim: "models".into(),
            path: "tiny".into(),
        }),
        ..ModelSource::default()
    };
    let artifact = ModelSource {
        oci: Some(OciSource {
            reference: "registry.example/tiny@sha256:aa".into(),
        }),
        ..ModelSource::default()
    };
    let said = |source: &ModelSource| ModelSource {
        digest: Some(Digest("b3:cc".into())),
        ..source.clone()
    };
    for (source, expected) in [
        (&volume, None),
        (&artifact, Some("sha256:aa")),
        (&said(&volume), Some("b3:cc")),
        (&said(&artifact), Some("b3:cc")),
    ] {
        assert_eq!(
            declared_model(source),
            expected.map(|digest| Digest(digest.to_owned())),
            "{source:?}"
        );
    }
}

#[test]
fn what_a_declaration_wants_is_told_by_key_or_not_at_all() {
    let lab = HardwareSnapshot {
        tools: tools("qaic-compile", "1.21.0"),
        ..two_ultras("lab")
    };
    let snapshots = [lab.clone()];
    let sixteen = |cores| TopologyShape {
        cores,
        ..request(Target::AI100).topology
    };
    let build = |name: &str, target, topology, digest: Option<&str>| {
        let ProgramRequest {
            source,
            precision,
            shapes,
            accelerator,
            ..
        } = request(target);
        let source = ModelSource {
            digest: digest.map(Digest::from),
            ..source
        };
        let spec = ModelBuildSpec {
            source,
            target,
            precision,
            shapes,
            topology,
            accelerator,
            store: None,
            pod: None,
        };
        object("ModelBuild", name, spec)
    };
    let builds = vec![
        build("cards", Target::AI100, sixteen(None), Some("b3:aa")),
        build("named", Target::AI100, sixteen(Some(14)), Some("b3:aa")),
        build("here", Target::CPU, sixteen(None), None),
        build("unread", Target::CPU, sixteen(None), None),
    ];
    let [cards, named, here, unread] = [0, 1, 2, 3].map(|n: usize| builds[n].object.clone());
    let declaration = Declaration {
        builds,
        ..Declaration::default()
    };
    let models = BTreeMap::from([(here.clone(), Digest::from("b3:aa"))]);
    let found = wanted(&declaration, &models, &snapshots);
    let of = |target, cores| {
        let mut request = request(target);
        request.topology.cores = cores;
        key(&request, &lab.tools).unwrap()
    };
    let keys = [
        (of(Target::AI100, Some(16)), cards),
        (of(Target::AI100, Some(14)), named),
        (of(Target::CPU, None), here),
    ];
    assert_eq!(found.keys, BTreeMap::from(keys));
    assert_eq!(found.untold, BTreeMap::from([(Target::CPU, unread)]));
    // Where nobody knows what builds them, none is told.
    assert_eq!(wanted(&declaration, &models, &[]).keys, BTreeMap::new());
}
