// What programs of others say of ours: compose files as `docker compose` reads them, spans as OpenTelemetry decodes them.
//
//	oracle compose FILE    the file with merges, variables and references resolved, as JSON; refuses what compose would
//	oracle yaml FILE       any YAML as JSON
//	oracle collector       a collector for OTLP by HTTP: prints its address, then each span as a line of JSON
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "compose":
		return show(compose(arguments[1]))
	case len(arguments) == 2 && arguments[0] == "yaml":
		return show(plain(arguments[1]))
	case len(arguments) == 1 && arguments[0] == "collector":
		return collect()
	}
	return fmt.Errorf("usage: oracle compose FILE | yaml FILE | collector")
}

func show(found any, err error) error {
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}
