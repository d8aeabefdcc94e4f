package mta

import (
	"fmt"
	"strings"
)

// service is one entry of master.cf.
type service struct {
	name, kind string // "submission", "inet"
	chroot     string // "y", "n" or "-"
	command    string // "smtpd"
	overrides  map[string]string
	line       int
}

func (s *service) String() string { return s.name + "/" + s.kind }

// parseMaster reads master.cf, or what "postconf -M" prints (master(5)).
func parseMaster(data []byte) ([]service, error) {
	var services []service
	for _, l := range logicalLines(data) {
		fields := splitOutside(l.text, " \t") // not within { }
		const columns = 8                     // service type private unpriv chroot wakeup maxproc command
		if len(fields) < columns {
			return nil, fmt.Errorf("line %d: %.60q has %d of the %d fields of a service", l.line, l.text, len(fields), columns)
		}
		services = append(services, service{
			name: fields[0], kind: fields[1], chroot: fields[4], command: fields[7],
			overrides: overrides(fields[columns:]), line: l.line,
		})
	}
	return services, nil
}

// overrides reads "-o name=value", "-oname=value" and "-o { name = value }".
func overrides(args []string) map[string]string {
	set := map[string]string{}
	for i := 0; i < len(args); i++ {
		setting, ok := strings.CutPrefix(args[i], "-o")
		if !ok {
			continue
		}
		if setting == "" && i+1 < len(args) {
			i++
			setting = args[i]
		}
		if strings.HasPrefix(setting, "{") {
			setting = unbraced(setting)
		}
		if name, value, ok := strings.Cut(setting, "="); ok {
			set[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return set
}
