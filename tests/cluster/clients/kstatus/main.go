// Says how kstatus, which Flux and others judge objects by, takes the objects that come in: a JSON list as kubectl prints
// one goes in, a line for each object comes out: kind, name, status, message.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	var list unstructured.UnstructuredList
	if err := json.NewDecoder(os.Stdin).Decode(&list); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus: reading the list:", err)
		os.Exit(65)
	}
	for i := range list.Items {
		object := &list.Items[i]
		result, err := status.Compute(object)
		if err != nil {
			fmt.Fprintf(os.Stderr, "kstatus: judging %s %s: %v\n", object.GetKind(), object.GetName(), err)
			os.Exit(65)
		}
		message := strings.ReplaceAll(result.Message, "\n", " ")
		fmt.Printf("%s\t%s\t%s\t%s\n", object.GetKind(), object.GetName(), result.Status, message)
	}
}
