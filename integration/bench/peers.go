package main

import (
	"context"
	"fmt"
	"net"

	"pratique/integration/harness"
)

// openDKIM signs with the RSA key, relaxed/relaxed.
func openDKIM() subject {
	return subject{"OpenDKIM", duty{signs: true}, func(ctx context.Context, s *site, at place) (*running, error) {
		return peer{
			program: "opendkim",
			args:    func(config string) []string { return []string{"-f", "-x", config} },
			config: fmt.Sprintf(`Mode s
Domain example.org
Selector %s
KeyFile %s
Canonicalization relaxed/relaxed
Socket %s
InternalHosts 127.0.0.0/8
Syslog no
Background no
RequireSafeKeys no
UMask 000
`, harness.RSASelector, s.keys.RSAFile, at.libmilter()),
		}.start(ctx, at)
	}}
}

// libmilter is the address as filters on libmilter want it.
func (at place) libmilter() string {
	if at.network == "unix" {
		return "local:" + at.addr
	}
	host, port, _ := net.SplitHostPort(at.addr)
	return "inet:" + port + "@" + host
}

// rspamdConfig is a milter that does its scans itself, with the one module that
// signs: no statistics, no DNS (the port is nobody's), no network. It has two
// processes, one a core of the machine that the figures are for.
const rspamdConfig = `
options {
  pidfile = "%[1]s/pid";
  control_socket = "%[1]s/control mode=0600";
  hs_cache_dir = "%[1]s";
  url_tld = "/usr/share/rspamd/effective_tld_names.dat";
  filters = "dkim";
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
  local_addrs = ["127.0.0.0/8", "::1"];
  max_message = 100Mb;
  task_timeout = 120s;
}
logging { type = "console"; level = "error"; }
worker "rspamd_proxy" {
  bind_socket = "%[2]s";
  milter = yes;
  count = 2;
  timeout = 120s;
  upstream "local" { default = yes; self_scan = yes; }
}
modules { path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }
dkim_signing {
  sign_local = true;
  use_domain = "header";
  use_esld = false;
  use_redis = false;
  try_fallback = false;
  domain { "example.org" { path = "%[3]s"; selector = "%[4]s"; } }
}
`

// rspamdScanning adds clamd to it. Any virus is reason enough to reject.
const rspamdScanning = `
modules { path = "/usr/share/rspamd/plugins/antivirus.lua"; }
antivirus {
  clamav {
    type = "clamav";
    servers = "%s";
    scan_mime_parts = false;
    max_size = 100000000;
    timeout = 60s;
    action = "reject";
  }
}
`

// rspamd signs, and scans with clamd if asked to.
func rspamd(scans bool) subject {
	name := "rspamd"
	if scans {
		name = "rspamd + clamd"
	}
	return subject{name, duty{signs: true, scans: scans}, func(ctx context.Context, s *site, at place) (*running, error) {
		bind := at.addr
		if at.network == "unix" {
			bind += " mode=0666"
		}
		config := fmt.Sprintf(rspamdConfig, at.dir, bind, s.keys.RSAFile, harness.RSASelector)
		if scans {
			if s.clamd == nil {
				return nil, errNoClamd
			}
			config += fmt.Sprintf(rspamdScanning, s.clamd.socket)
		}
		return peer{
			program: "rspamd",
			args:    func(config string) []string { return []string{"-f", "-i", "-c", config} }, // -i: as root too
			config:  config,
		}.start(ctx, at)
	}}
}

// clamavMilter scans and does not sign.
func clamavMilter() subject {
	return subject{"clamav-milter", duty{scans: true}, func(ctx context.Context, s *site, at place) (*running, error) {
		if s.clamd == nil {
			return nil, errNoClamd
		}
		return peer{
			program: "clamav-milter",
			args:    func(config string) []string { return []string{"--config-file=" + config} },
			config: fmt.Sprintf(`Foreground yes
MilterSocket %s
MilterSocketMode 666
ClamdSocket unix:%s
TemporaryDirectory %s
OnInfected Reject
MaxFileSize 100M
`, at.libmilter(), s.clamd.socket, at.dir),
		}.start(ctx, at)
	}}
}
