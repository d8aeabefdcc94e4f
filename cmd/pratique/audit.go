package main

import "fmt"

// audit looks at whether this server is fit to send. The first argument says at what.
func audit(e *env, args []string) (int, error) {
	if len(args) > 0 && args[0] == "mta" {
		return auditMTA(e, args[1:])
	}
	return 0, hint(fmt.Errorf("pratique audit needs to be told what to look at"), "pratique audit mta looks at the configuration of Postfix or sendmail")
}
