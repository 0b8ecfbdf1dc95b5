// Runs a health check of Argo CD's as Argo CD runs one: the object is the global `obj`, none of Lua's libraries but the base
// and tables is there, a second is all it gets, and a table with a status and a message comes back. A JSON list as kubectl
// prints one goes in, a line for each object comes out: kind, name, status, message.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

var statuses = map[string]bool{"Healthy": true, "Progressing": true, "Degraded": true, "Suspended": true, "Missing": true, "Unknown": true}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "argo: name the health check's file; objects come on standard input")
		os.Exit(64)
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "argo: reading the health check:", err)
		os.Exit(66)
	}
	var list struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&list); err != nil {
		fmt.Fprintln(os.Stderr, "argo: reading the list:", err)
		os.Exit(65)
	}
	for _, object := range list.Items {
		status, message, err := judge(string(script), object)
		if err != nil {
			fmt.Fprintln(os.Stderr, "argo: judging an object:", err)
			os.Exit(65)
		}
		metadata, _ := object["metadata"].(map[string]any)
		fmt.Printf("%v\t%v\t%s\t%s\n", object["kind"], metadata["name"], status, strings.ReplaceAll(message, "\n", " "))
	}
}

func judge(script string, object map[string]any) (status, message string, err error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		call := lua.P{Fn: state.NewFunction(open), Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("it gives a %s and no table", state.Get(-1).Type())
	}
	status = lua.LVAsString(table.RawGetString("status"))
	if !statuses[status] {
		return "", "", fmt.Errorf("it gives the status %q, which Argo CD does not know", status)
	}
	return status, lua.LVAsString(table.RawGetString("message")), nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.NewTable()
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	}
	return lua.LNil
}
