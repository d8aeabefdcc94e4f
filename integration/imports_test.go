package integration

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The rooms, by import path. What lies in a folder below a room without being
// named here is part of that room.
const (
	roomMessage   = "pratique/message"
	roomState     = "pratique/state"
	roomMilter    = "pratique/milter"
	roomAccess    = "pratique/access"
	roomRates     = "pratique/rates"
	roomRedis     = "pratique/rates/redis"
	roomBaseline  = "pratique/rates/baseline"
	roomBulk      = "pratique/rates/bulk"
	roomLint      = "pratique/lint"
	roomClients   = "pratique/lint/caniemail"
	roomReport    = "pratique/lint/report"
	roomTally     = "pratique/lint/tally"
	roomDomains   = "pratique/lint/domains"
	roomPreview   = "pratique/lint/preview"
	roomScanning  = "pratique/scanning"
	roomSigning   = "pratique/signing"
	roomRecords   = "pratique/signing/records"
	roomSurvival  = "pratique/signing/survival"
	roomExplain   = "pratique/signing/explain"
	roomKeystore  = "pratique/signing/keystore"
	roomJournal   = "pratique/journal"
	roomPosture   = "pratique/posture"
	roomLookup    = "pratique/posture/lookup"
	roomSPF       = "pratique/posture/spf"
	roomDMARC     = "pratique/posture/dmarc"
	roomBlocklist = "pratique/posture/blocklist"
	roomRelay     = "pratique/posture/relay"
	roomTelemetry = "pratique/telemetry"
	roomNagios    = "pratique/telemetry/nagios"
	roomGraphite  = "pratique/telemetry/graphite"
	roomMunin     = "pratique/telemetry/munin"
	roomAlerts    = "pratique/telemetry/alerts"
	roomMTA       = "pratique/posture/mta"
	roomCanary    = "pratique/watch/canary"
	roomWatch     = "pratique/watch"
	roomQueue     = "pratique/watch/queue"
	roomWhy       = "pratique/watch/reason"
	roomReceiver  = "pratique/watch/receiver"
	roomDashboard = "pratique/dashboard"
	roomDevtools  = "pratique/lint/preview/devtools"
	roomConfigs   = "pratique/configs"
	roomSetup     = "pratique/configs/setup"
	roomOpenDKIM  = "pratique/configs/opendkim"
	roomProof     = "pratique/configs/opendkim/proof"
)

// helpers stands in a row for every package that helps tests.
const helpers = "helpers"

func helpsTests(importPath string) bool {
	return strings.HasSuffix(importPath, "test") || importPath == "pratique/integration/harness"
}

// room is what a package may import beside the standard library, its tests included.
type room struct {
	every     bool     // all packages of this module, but those that help tests
	rooms     []string // packages of this module
	libraries []string // modules
	forTests  []string // what only its tests may import in addition
}

// The libraries, each of which has its place.
const (
	goMilter      = "github.com/emersion/go-milter"
	goMsgauth     = "github.com/emersion/go-msgauth"
	goMessage     = "github.com/emersion/go-message"
	goClamd       = "github.com/dutchcoders/go-clamd"
	sqlite        = "modernc.org/sqlite"
	goRedis       = "github.com/redis/go-redis/v9"
	purego        = "github.com/ebitengine/purego"
	toml          = "github.com/pelletier/go-toml/v2"
	testscript    = "github.com/rogpeppe/go-internal"
	miekgDNS      = "github.com/miekg/dns"
	xSys          = "golang.org/x/sys"
	prometheus    = "github.com/prometheus/client_golang"
	clientModel   = "github.com/prometheus/client_model"
	commonMetrics = "github.com/prometheus/common"
	goSPF         = "blitiri.com.ar/go/spf"
	xCrypto       = "golang.org/x/crypto"
	goSMTP        = "github.com/emersion/go-smtp"
	xNet          = "golang.org/x/net"
	xText         = "golang.org/x/text"
	yaml          = "go.yaml.in/yaml/v2"
)

// table is ARCHITECTURE.md's table of rooms: an import that it does not list is a mistake, or a
// decision that changes both.
func table() map[string]room {
	configured := []string{roomTelemetry,
		roomMessage,
		roomMilter,
		roomAccess,
		roomRates,
		roomBaseline,
		roomBulk,
		roomLint,
		roomScanning,
		roomSigning,
		roomSurvival,
		roomKeystore,
		roomAlerts,
		roomJournal,
		roomPosture,
		roomCanary,
		roomWatch,
		roomDashboard,
	}
	return map[string]room{
		roomMessage:  {},
		roomState:    {libraries: []string{sqlite}},
		roomMilter:   {rooms: []string{roomMessage}, libraries: []string{goMilter}, forTests: []string{"pratique/milter/miltertest"}},
		roomAccess:   {rooms: []string{roomMessage}, libraries: []string{xNet}},
		roomBaseline: {rooms: []string{roomMessage}},
		roomBulk:     {rooms: []string{roomMessage}, libraries: []string{xNet}},
		roomRates:    {rooms: []string{roomMessage, roomState}, libraries: []string{sqlite, xNet}},
		roomRedis:    {rooms: []string{roomRates}, libraries: []string{goRedis}, forTests: []string{roomMessage, "pratique/integration/harness"}},
		roomLint:     {rooms: []string{roomMessage, roomClients}, libraries: []string{xNet}, forTests: []string{goMessage}},
		roomScanning: {rooms: []string{roomMessage}, libraries: []string{goClamd}, forTests: []string{"pratique/scanning/clamdtest"}},
		roomSigning:  {rooms: []string{roomMessage}, libraries: []string{goMsgauth, purego, xNet}, forTests: []string{miekgDNS, "pratique/signing/verifytest"}},
		roomRecords: {rooms: []string{roomSigning}, libraries: []string{miekgDNS},
			forTests: []string{"pratique/signing/records/recordstest", "pratique/integration/harness"}},
		roomClients: {},
		roomReport:  {rooms: []string{roomLint, roomMessage}},
		roomTally:   {rooms: []string{roomMessage, roomState}},
		roomDomains: {rooms: []string{roomLint, roomMessage}, libraries: []string{goSPF, xNet}, forTests: []string{"pratique/integration/harness"}},
		roomPreview: {rooms: []string{roomLint, roomReport, roomDevtools}, libraries: []string{goMessage, xNet}, forTests: []string{roomMessage}},
		roomKeystore: {rooms: []string{roomSigning, roomRecords},
			forTests: []string{miekgDNS, "pratique/signing/records/recordstest", "pratique/integration/harness"}},
		roomSurvival:  {rooms: []string{roomMessage, roomSigning}},
		roomExplain:   {rooms: []string{roomMessage, roomSigning, roomRecords}},
		roomJournal:   {rooms: []string{roomMessage, roomState}, libraries: []string{sqlite}},
		roomTelemetry: {rooms: []string{roomMessage}, libraries: []string{prometheus}},
		roomPosture: {rooms: []string{roomState, roomSigning, roomRecords, roomLookup, roomSPF, roomDMARC, roomBlocklist}, libraries: []string{miekgDNS, xNet},
			forTests: []string{"pratique/posture/lookup/lookuptest", "pratique/signing/records/recordstest", "pratique/integration/harness"}},
		roomLookup:    {rooms: []string{roomRecords}, libraries: []string{miekgDNS}, forTests: []string{"pratique/posture/lookup/lookuptest"}},
		roomSPF:       {rooms: []string{roomLookup}, libraries: []string{miekgDNS}, forTests: []string{goSPF, yaml, "pratique/posture/lookup/lookuptest"}},
		roomDMARC:     {rooms: []string{roomLookup}, libraries: []string{xNet}, forTests: []string{"pratique/posture/lookup/lookuptest"}},
		roomBlocklist: {rooms: []string{roomLookup}, libraries: []string{miekgDNS}, forTests: []string{"pratique/posture/lookup/lookuptest"}},
		roomRelay:     {},
		roomNagios:    {},
		roomGraphite:  {libraries: []string{prometheus, clientModel}},
		roomMunin:     {libraries: []string{clientModel, commonMetrics}},
		roomAlerts:    {rooms: []string{roomMessage, roomState}},
		roomWatch:     {rooms: append([]string{roomMessage, roomState, roomQueue, roomWhy, roomReceiver}, formsOfFeedback()...), libraries: []string{sqlite, xNet, xText}},
		// What asks a queue knows nothing of bounces, and the other way round; both tell reasons.
		roomQueue:     {rooms: []string{roomWhy, roomReceiver}},
		roomWhy:       {},
		roomReceiver:  {},
		roomCanary:    {rooms: []string{roomSigning}, libraries: []string{goSMTP, xNet}, forTests: []string{roomMessage}},
		roomMTA:       {},
		roomConfigs:   {rooms: configured, libraries: []string{toml}, forTests: []string{yaml}},
		roomSetup:     {rooms: []string{roomConfigs, roomMTA}},
		roomOpenDKIM:  {rooms: []string{roomConfigs, roomMessage, roomSigning}},
		roomDashboard: {rooms: []string{roomJournal, roomAlerts}, libraries: []string{xCrypto}, forTests: []string{roomMessage, roomDevtools}},
		roomDevtools:  {},
		// The fake MTA is a test helper elsewhere; here it speaks to an OpenDKIM, which is a test too.
		roomProof: {rooms: []string{roomOpenDKIM, roomMessage, roomAccess, roomSigning, "pratique/milter/miltertest"}, libraries: []string{goMilter}},

		"pratique/milter/miltertest":  {rooms: []string{roomMilter, roomMessage}, libraries: []string{goMilter}},
		"pratique/scanning/clamdtest": {rooms: []string{roomScanning, roomMessage}},
		"pratique/signing/verifytest": {rooms: []string{roomSigning, roomMessage}},

		"pratique/signing/records/recordstest": {libraries: []string{miekgDNS}},
		"pratique/posture/lookup/lookuptest":   {rooms: []string{roomLookup}, libraries: []string{miekgDNS}},

		"pratique/cmd/pratique":        {every: true, libraries: []string{goMilter, goMessage}, forTests: []string{testscript, miekgDNS, helpers}},
		"pratique/integration":         {every: true, rooms: []string{helpers}, forTests: []string{goMessage, miekgDNS}},
		"pratique/integration/harness": {libraries: []string{xSys}},
	}
}

// formsOfFeedback are parts of the room watch: one a form in which something comes back.
func formsOfFeedback() []string {
	var all []string
	for _, form := range []string{"arf", "bounce", "dmarc", "maildir", "maillog", "parts", "ses", "tlsrpt", "unpack"} {
		all = append(all, roomWatch+"/"+form)
	}
	return all
}

func TestImports(t *testing.T) {
	rooms := table()
	seen := map[string]bool{}
	walkSources(t, "..", func(file, importPath string, imports []string) {
		name := roomOf(rooms, importPath)
		if name == "" {
			t.Errorf("%s: package %s has no row in the table", file, importPath)
			return
		}
		seen[name] = true
		r := rooms[name]
		allowed := append(append([]string{name}, r.rooms...), r.libraries...)
		if strings.HasSuffix(file, "_test.go") {
			allowed = append(allowed, r.forTests...)
		}
		for _, imported := range imports {
			if r.every && strings.HasPrefix(imported, "pratique/") && !helpsTests(imported) {
				continue
			}
			if !allowedImport(allowed, imported) {
				t.Errorf("%s: %s may not import %s", file, name, imported)
			}
		}
	})
	for name := range rooms {
		if !seen[name] {
			t.Errorf("%s stands in the table and does not exist", name)
		}
	}
}

// allowedImport tells packages of this module by their whole path and libraries by their module's.
func allowedImport(allowed []string, imported string) bool {
	if strings.HasPrefix(imported, "pratique/") {
		return slices.Contains(allowed, imported) || helpsTests(imported) && slices.Contains(allowed, helpers)
	}
	root, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(root, ".") {
		return imported != "C" // the standard library; no package needs a C compiler
	}
	return slices.ContainsFunc(allowed, func(module string) bool {
		return imported == module || strings.HasPrefix(imported, module+"/")
	})
}

// roomOf returns the longest name in the table that the package is, or lies below.
func roomOf(rooms map[string]room, importPath string) string {
	found := ""
	for name := range rooms {
		if (importPath == name || strings.HasPrefix(importPath, name+"/")) && len(name) > len(found) {
			found = name
		}
	}
	return found
}

// walkSources reads the imports of every Go file of the module, whatever its build tags.
func walkSources(t *testing.T, root string, visit func(file, importPath string, imports []string)) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, imported)
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		visit(path, "pratique/"+filepath.ToSlash(dir), imports)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The check itself must be able to fail.
func TestImportsCatches(t *testing.T) {
	rooms := table()
	for _, c := range []struct{ from, imported string }{
		{roomLint, roomScanning},
		{roomMessage, goMessage + "/mail"},
		{roomAccess, sqlite},
		{roomSigning, roomConfigs},
		{roomMilter, "pratique/milter/miltertest"},
		{roomRates, "C"},
	} {
		r := rooms[roomOf(rooms, c.from)]
		if allowedImport(append(append([]string{c.from}, r.rooms...), r.libraries...), c.imported) {
			t.Errorf("%s may import %s", c.from, c.imported)
		}
	}
}
