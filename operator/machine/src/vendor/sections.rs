//! Sections within a SoC's block: what stands below a heading is not the SoC's, where it has such a field itself.
//!
//! Format: inferred. No version is known to print a section with a SoC's own keys; one that lists networks would.

use crd::snapshot::SocStatus;

use super::QueryText;

const NETWORK: &str = "\tNetworks:\n\t\tName: llama\n\t\tStatus: Active\n\t\tNsp Total: 4\n\t\tPCI Address: 0000:99:00.0\n";
const OWN: [&str; 5] = [
    "\tStatus:Ready\n",
    "\tPCI Address:0000:81:00.0\n",
    "\tNsp Total:16\n",
    "\tNsp Free:12\n",
    "\tDevice Capabilities: HybridBoot+ MDP+\n",
];

#[test]
fn a_section_says_nothing_of_the_soc() {
    // Behind each of the SoC's own fields, the first too, with tabs and with spaces.
    for at in 1..=OWN.len() {
        let (before, behind) = (OWN[..at].concat(), OWN[at..].concat());
        for text in [
            format!("QID 0\n{before}{NETWORK}{behind}QID 1\n{}", OWN.concat()),
            format!("QID 0\n{before}{NETWORK}{behind}").replace('\t', "    "),
        ] {
            let Ok(QueryText { devices, .. }) = text.parse();
            for device in &devices {
                let seen = (
                    device.status(),
                    device.cores(),
                    device.cores_free(),
                    device.mdp(),
                );
                let want = (Some(SocStatus::Ready), Some(16), Some(12), Some(true));
                assert_eq!(seen, want, "{text}");
                assert_eq!(device.address(), "0000:81:00.0".parse().ok(), "{text}");
            }
        }
    }
}

/// Without a heading two values are none, however deep: a border was lost, or the first line's spaces were.
#[test]
fn two_values_at_one_depth_are_none() {
    for deeper in ["\t", "\t\t\t"] {
        let text = format!("QID 0\n{}{deeper}Status:Error\n", OWN.concat());
        let Ok(QueryText { devices, .. }) = text.parse();
        assert_eq!(devices[0].status(), None, "{text}");
    }
}
