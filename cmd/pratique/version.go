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
	revision := "unknown revision"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	fmt.Fprintf(e.stdout, "pratique %s %s %s/%s\n", revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitClean, nil
}
