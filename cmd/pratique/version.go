package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

func version(e *env, args []string) (int, error) {
	if err := e.parse(e.flags("version"), args, 0, 0); err != nil {
		return 0, err
	}
	fmt.Fprintf(e.stdout, "pratique %s %s %s/%s\n", revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitClean, nil
}

// revision is the commit that the program was built from.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown revision"
}
