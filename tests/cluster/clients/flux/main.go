// Applies, compares, waits for and takes away objects by the library that Flux's kustomize-controller does it by, as that
// controller drives it: manifests come in as YAML, a line for each object comes out.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// What kustomize-controller writes as.
var owner = ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	name := flag.String("name", "shardplane", "the Kustomization's name, which objects are labelled with")
	timeout := flag.Duration("timeout", time.Minute, "how long anything is waited for")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "flux: name one of apply, diff, wait, prune; manifests come on standard input")
		os.Exit(64)
	}
	if err := run(flag.Arg(0), *kubeconfig, *name, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, "flux:", err)
		os.Exit(1)
	}
}

func run(verb, kubeconfig, name string, timeout time.Duration) error {
	manager, err := manager(kubeconfig)
	if err != nil {
		return err
	}
	objects, err := utils.ReadObjects(os.Stdin)
	if err != nil {
		return fmt.Errorf("reading manifests: %w", err)
	}
	// The controller does the same before it applies.
	if err := normalize.UnstructuredList(objects); err != nil {
		return fmt.Errorf("filling in what the server fills in: %w", err)
	}
	manager.SetOwnerLabels(objects, name, "flux-system")
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	switch verb {
	case "apply":
		options := ssa.DefaultApplyOptions()
		options.WaitTimeout = timeout
		changes, err := manager.ApplyAllStaged(ctx, objects, options)
		if err != nil {
			return fmt.Errorf("applying: %w", err)
		}
		fmt.Println(changes)
	case "diff":
		return diff(ctx, manager, objects)
	case "wait":
		options := ssa.WaitOptions{Interval: 200 * time.Millisecond, Timeout: timeout, FailFast: true}
		return manager.Wait(objects, options)
	case "prune":
		options := ssa.DefaultDeleteOptions()
		// Only what carries the labels of this Kustomization, and what does not ask to be kept: so the controller prunes.
		options.Inclusions = manager.GetOwnerLabels(name, "flux-system")
		options.Exclusions = map[string]string{owner.Group + "/prune": "disabled"}
		changes, err := manager.DeleteAll(ctx, objects, options)
		if err != nil {
			return fmt.Errorf("deleting: %w", err)
		}
		fmt.Println(changes)
		return manager.WaitForSetTermination(changes, ssa.WaitOptions{Interval: 200 * time.Millisecond, Timeout: timeout})
	default:
		return fmt.Errorf("%q is none of apply, diff, wait, prune", verb)
	}
	return nil
}

func diff(ctx context.Context, manager *ssa.ResourceManager, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		change, live, merged, err := manager.Diff(ctx, object, ssa.DefaultDiffOptions())
		if err != nil {
			return fmt.Errorf("comparing: %w", err)
		}
		fmt.Println(change)
		if change.Action == ssa.ConfiguredAction {
			fmt.Fprintf(os.Stderr, "live:\n%s\nmerged:\n%s\n", utils.ObjectToYAML(live), utils.ObjectToYAML(merged))
		}
	}
	return nil
}

func manager(kubeconfig string) (*ssa.ResourceManager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a transport: %w", err)
	}
	kinds, err := apiutil.NewDynamicRESTMapper(config, transport)
	if err != nil {
		return nil, fmt.Errorf("asking for the kinds that are served: %w", err)
	}
	server, err := client.New(config, client.Options{HTTPClient: transport, Mapper: kinds})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	poller := polling.NewStatusPoller(server, kinds, polling.Options{})
	return ssa.NewResourceManager(server, poller, owner), nil
}
