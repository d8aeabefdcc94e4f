// Package compose tries the stack of configs/compose with Podman: its images are built,
// and mail goes through its containers. That takes minutes, so it is asked for by
// PRATIQUE_STACK=1, which "make stack" sets.
package compose

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/scanning/clamdtest"
)

// What a registry would have: Debian, made by debootstrap, and the Go of this machine. A
// short name, as the Dockerfiles have it, is looked for here first.
const (
	debianImage = "localhost/debian:bookworm-slim"
	goImage     = "localhost/golang:1.26-bookworm"
)

const (
	project     = "pratiquetest"
	pratiqueUID = 10025 // see the Dockerfile
)

// stack is the running stack, from a copy of the sources.
type stack struct {
	*testing.T
	source string // the copy
	conf   []string
}

func TestStack(t *testing.T) {
	if os.Getenv("PRATIQUE_STACK") != "1" {
		t.Skip("it takes minutes, and Podman: make stack")
	}
	s := newStack(t)
	s.makeBaseImages()
	s.configure()
	s.compose("build")
	t.Cleanup(func() {
		if t.Failed() {
			for _, service := range []string{"postfix", "pratique", "clamd"} {
				t.Logf("the last words of %s:\n%s", service, harness.Tail(s.try("podman", "logs", s.container(service)), 20))
			}
		}
		s.compose("down", "--volumes", "--timeout", "5")
	})
	s.compose("up", "--detach")
	postfix := s.address("postfix")

	s.until("a letter is delivered", func() bool { return s.send(postfix, harness.Letter("first")).Code == 250 })
	delivered := s.delivered("first")
	for _, wanted := range []string{"DKIM-Signature: v=1; a=rsa-sha256;", "DKIM-Signature: v=1; a=ed25519-sha256;"} {
		if !strings.Contains(delivered, wanted) {
			t.Errorf("what was delivered has no %q:\n%s", wanted, delivered)
		}
	}
	s.wants(postfix, harness.WithAttachment("virus", "report.dat", clamdtest.EICAR()), "554 5.7.1 message refused: infected with ")
	s.wants(postfix, harness.BrokenMIME("broken"), "550 5.6.0 M01 ")

	if out := s.in("pratique", "pratique", "check", "--no-dns"); !strings.Contains(out, "ok       milter") {
		t.Errorf("check says:\n%s", out)
	}
	if out := s.in("pratique", "pratique", "check", "--health"); out != "ok\n" {
		t.Errorf("the health check says %q", out)
	}
	s.until("the journal has it", func() bool {
		return strings.Contains(s.try("podman", "exec", s.container("pratique"), "pratique", "why", "--last", "9"), "5.6.0 M01")
	})
	if out := s.in("pratique", "pratique", "keys", "new", "example.net"); !strings.Contains(out, "._domainkey.example.net") {
		t.Errorf("keys new says:\n%s", out)
	}
	s.isConfined()

	// Nothing leaves while a part is missing, and the next letter leaves once it is back.
	for part, reply := range map[string]string{"clamd": "451 4.3.0 scanning is temporarily unavailable", "pratique": "451 4.7.1 Service unavailable"} {
		s.run("podman", "stop", "--time", "5", s.container(part))
		s.wants(postfix, harness.Letter("without-"+part), reply)
		s.run("podman", "start", s.container(part))
		s.until(part+" is back", func() bool { return s.send(postfix, harness.Letter("with-"+part)).Code == 250 })
		s.delivered("with-" + part)
	}
}

// newStack makes a place for images and containers of our own, which is kept for the next
// time, and copies the sources.
func newStack(t *testing.T) *stack {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(root, ".build", "stack")
	s := &stack{T: t, source: filepath.Join(t.TempDir(), "source")}
	for name, text := range map[string]string{
		"storage.conf": fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(place, "images"), filepath.Join(place, "run")),
		// crun knows no hybrid cgroups, and no more may be open than here.
		"containers.conf": "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n" +
			"[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n",
	} {
		if err := os.MkdirAll(place, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(place, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.conf = append(os.Environ(), "CONTAINERS_CONF="+filepath.Join(place, "containers.conf"), "CONTAINERS_STORAGE_CONF="+filepath.Join(place, "storage.conf"))
	if err := os.Mkdir(s.source, 0o755); err != nil {
		t.Fatal(err)
	}
	s.run("sh", "-c", fmt.Sprintf("cd %q && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t %q", root, s.source))
	return s
}

func (s *stack) makeBaseImages() {
	if !s.works("podman", "image", "exists", debianImage) {
		dir := filepath.Join(s.TempDir(), "debian")
		s.run("debootstrap", "--variant=minbase", "bookworm", dir)
		s.run("sh", "-c", fmt.Sprintf("tar -C %q -c . | podman import --change 'CMD=[\"bash\"]' - %s", dir, debianImage))
	}
	if !s.works("podman", "image", "exists", goImage) {
		file := filepath.Join(s.TempDir(), "Dockerfile")
		text := "FROM " + debianImage + "\n" +
			"RUN mkdir -p /etc/ssl/certs && cp /here/certificates /etc/ssl/certs/ca-certificates.crt && cp -a /here/go /usr/local/go\n" +
			"ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			s.Fatal(err)
		}
		goroot := strings.TrimSpace(s.run("go", "env", "GOROOT"))
		s.run("podman", "build", "--tag", goImage, "--file", file, "--volume", goroot+":/here/go:ro",
			"--volume", "/etc/ssl/certs/ca-certificates.crt:/here/certificates:ro", s.TempDir())
	}
}

// configure fills in what an administrator would, and adds a sink in place of the world.
func (s *stack) configure() {
	dir := filepath.Join(s.source, "configs", "compose")
	keys, err := harness.NewKeys(filepath.Join(dir, "etc"))
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range []string{keys.RSAFile, keys.Ed25519File} {
		if err := os.Chown(file, pratiqueUID, pratiqueUID); err != nil {
			s.Fatal(err)
		}
	}
	keys.RSAFile, keys.Ed25519File = "/etc/pratique/rsa.pem", "/etc/pratique/ed25519.pem"
	settings, err := os.ReadFile(filepath.Join(dir, "etc", "pratique.toml"))
	if err != nil {
		s.Fatal(err)
	}
	// A clamd that is gone is waited for, longer than the client here waits.
	const scanning = "[scanning]\n"
	patient := strings.Replace(string(settings), scanning, scanning+"timeout = \"10s\"\n", 1)
	for name, text := range map[string]string{
		"etc/pratique.toml": patient + keys.TOML(""),
		".env":              "MAIL_HOSTNAME=mail.example.org\nMAIL_RELAYHOST=[sink]:25\n",
		"test.hdb":          "44d88612fea8a8f36de82e1278abb02f:68:Test.EICAR\n",
		"test.yaml": `services:
  sink:
    image: ` + project + `_postfix
    command: ["smtp-sink", "-u", "postfix", "-D", "/tmp/%s.", "0.0.0.0:25", "100"]
    networks: [mail]
  clamd:
    volumes:
      - ./test.hdb:/var/lib/clamav/test.hdb:ro
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *stack) compose(args ...string) {
	s.Helper()
	dir := filepath.Join(s.source, "configs", "compose")
	cmd := append([]string{"podman-compose", "-p", project, "-f", "compose.yaml", "-f", "test.yaml"}, args...)
	s.command(dir, cmd...)
}

func (s *stack) container(service string) string { return project + "_" + service + "_1" }

// in runs a command in the container of a service.
func (s *stack) in(service string, args ...string) string {
	s.Helper()
	return s.run(append([]string{"podman", "exec", s.container(service)}, args...)...)
}

// address is where the SMTP server of a service is reached from here.
func (s *stack) address(service string) string {
	s.Helper()
	ip := s.run("podman", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", s.container(service))
	return strings.TrimSpace(ip) + ":25"
}

// isConfined sees that the stack keeps its promises: nothing is published, and pratique
// has no rights.
func (s *stack) isConfined() {
	s.Helper()
	for _, service := range []string{"postfix", "pratique", "clamd"} {
		if ports := s.run("podman", "port", s.container(service)); strings.TrimSpace(ports) != "" {
			s.Errorf("%s publishes %s", service, ports)
		}
	}
	if id := s.in("pratique", "id", "-un"); id != "pratique\n" {
		s.Errorf("pratique runs as %s", id)
	}
	if out := s.try("podman", "exec", s.container("pratique"), "touch", "/usr/local/x"); !strings.Contains(out, "Read-only file system") {
		s.Errorf("its files can be changed: %s", out)
	}
}

// send sends a letter to the stack and returns the last reply; without one it is zero.
func (s *stack) send(addr string, letter []byte) harness.Reply {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	answer, err := harness.Send(ctx, addr, "", harness.Mail{From: "sender@example.org", To: []string{"recipient@example.net"}, Data: letter})
	if err != nil {
		return harness.Reply{Lines: []string{err.Error()}}
	}
	return answer.Reply
}

func (s *stack) wants(addr string, letter []byte, reply string) {
	s.Helper()
	if got := s.send(addr, letter).String(); !strings.HasPrefix(got, reply) {
		s.Errorf("the reply is %q, not %q", got, reply)
	}
}

// delivered waits for the letter with a subject to arrive at the sink.
func (s *stack) delivered(subject string) (letter string) {
	s.Helper()
	s.until(subject+" has arrived", func() bool {
		letter = s.try("podman", "exec", s.container("sink"), "sh", "-c", "cat $(grep -l '^Subject: "+subject+"' /tmp/*)")
		return strings.Contains(letter, "\nSubject: "+subject)
	})
	return letter
}

func (s *stack) until(what string, done func() bool) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		if done() {
			return
		}
	}
	s.Fatalf("it never was so: %s", what)
}

func (s *stack) run(args ...string) string {
	s.Helper()
	return s.command("", args...)
}

func (s *stack) command(dir string, args ...string) string {
	s.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir = s.conf, dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, harness.Tail(string(out), 30))
	}
	return string(out)
}

// try runs a command that may fail.
func (s *stack) try(args ...string) string {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = s.conf
	out, _ := cmd.CombinedOutput()
	return string(out)
}

func (s *stack) works(args ...string) bool {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = s.conf
	return cmd.Run() == nil
}
