package main

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// checker fails a test, or a script.
type checker interface {
	Check(err error)
	Fatalf(format string, args ...any)
}

// simulator is a region of OCI that lives as long as a script.
type simulator struct {
	*ocisim.Server
	server *httptest.Server
	key    *rsa.PrivateKey
}

// scriptKey is one short key for all scripts: under the race detector, signing with a key of usual length takes longer than
// the requests.
var scriptKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
})

func fingerprint(key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	sum := md5.Sum(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":")
}

// sim [SEED]: starts a simulator and sets OCI_CLI_CONFIG_FILE and OCI_CLI_ENDPOINT for it, NS to its namespace, TENANCY,
// and a variable such as WEB_01 to the id of each instance.
func cmdSim(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if neg || len(args) > 1 || w.sim != nil {
		ts.Fatalf("usage: sim [seed.json], once")
	}
	seed := smallSeed()
	if len(args) == 1 {
		var err error
		seed, err = ocisim.LoadSeed(strings.NewReader(ts.ReadFile(args[0])))
		ts.Check(err)
	}
	quick := 30 * time.Millisecond
	sim, err := ocisim.New(ocisim.Options{Dir: ts.MkAbs(".sim"), Seed: seed,
		Timings: ocisim.Timings{Copy: quick, CreateImage: quick, ExportImage: quick, PowerAction: quick}})
	ts.Check(err)
	w.sim = &simulator{Server: sim, server: httptest.NewServer(sim), key: scriptKey()}
	ts.Defer(func() {
		w.sim.server.CloseClientConnections()
		ts.Check(sim.Close())
		w.sim.server.Close()
	})
	ts.Check(sim.RegisterKey(sim.Tenancy()+"/"+sim.User()+"/"+fingerprint(w.sim.key), &w.sim.key.PublicKey))
	w.setenv(ts, "OCI_CLI_CONFIG_FILE", w.sim.writeConfig(ts, ts.MkAbs(".oci")))
	w.setenv(ts, "OCI_CLI_ENDPOINT", w.sim.server.URL)
	w.setenv(ts, "NS", sim.Namespace())
	w.setenv(ts, "TENANCY", sim.Tenancy())
	w.setenv(ts, "FINGERPRINT", fingerprint(w.sim.key))
	w.setenv(ts, "OCI_USER", sim.User())
	for _, i := range sim.Instances() {
		name := strings.ToUpper(strings.ReplaceAll(i.Name, "-", "_"))
		w.setenv(ts, name, i.ID)
		sum, err := sim.DiskSHA256(i.ID)
		ts.Check(err)
		w.setenv(ts, name+"_SHA256", sum)
	}
}

// smallSeed is the default seed with disks that are converted in no time.
func smallSeed() *ocisim.Seed {
	seed := ocisim.DefaultSeed()
	for i := range seed.Instances {
		seed.Instances[i].DiskBytes, seed.Instances[i].DataBytes = 8<<20, 1<<20
	}
	return seed
}

func (s *simulator) writeConfig(ts checker, dir string) string {
	ts.Check(os.MkdirAll(dir, 0o700))
	key := filepath.Join(dir, "key.pem")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(s.key)}
	ts.Check(os.WriteFile(key, pem.EncodeToMemory(block), 0o600))
	config := filepath.Join(dir, "config")
	ts.Check(os.WriteFile(config, fmt.Appendf(nil, "[DEFAULT]\ntenancy=%s\nuser=%s\nfingerprint=%s\nregion=%s\nkey_file=%s\n",
		s.Tenancy(), s.User(), fingerprint(s.key), s.Region(), key), 0o600))
	return config
}

func simOf(ts *testscript.TestScript) *simulator {
	s := worldOf(ts).sim
	if s == nil {
		ts.Fatalf("begin with sim")
	}
	return s
}

// simkey FILE PASSPHRASE: writes the user's key, encrypted.
func cmdSimKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: simkey file passphrase")
	}
	block, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(simOf(ts).key), //nolint:staticcheck // OCI users have such keys
		[]byte(args[1]), x509.PEMCipherAES256)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(block), 0o600))
}

// simcount OPERATION N: so many requests for the operation have arrived.
func cmdSimCount(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: simcount operation n")
	}
	got := simOf(ts).Log().Count(args[0])
	if (strconv.Itoa(got) == args[1]) == neg {
		ts.Fatalf("%d requests for %s, want %s", got, args[0], args[1])
	}
}

// simwait OPERATION N: waits until so many requests for the operation have arrived.
func cmdSimWait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: simwait operation n")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	await(ts, func() bool { return simOf(ts).Log().Count(args[0]) >= want })
}

// simthen FIRST NEXT: waits until a request for the operation NEXT has arrived after one for FIRST, so that the client has
// its answer.
func cmdSimThen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: simthen operation operation")
	}
	await(ts, func() bool {
		first := false
		for _, e := range simOf(ts).Log().All() {
			if first && e.Operation == args[1] {
				return true
			}
			first = first || e.Operation == args[0]
		}
		return false
	})
}

// await returns when what it waits for is true, and fails the script if that takes too long.
func await(ts *testscript.TestScript, done func() bool) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.After(patience); !done(); {
		select {
		case <-again.C:
		case <-end:
			ts.Fatalf("it does not come")
		}
	}
}

// simhold OPERATION N: the Nth CreateImage or ExportImage from now on does not end.
func cmdSimHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: simhold operation n")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	simOf(ts).Hold(args[0], n)
}

// simrelease OPERATION: what simhold holds goes on.
func cmdSimRelease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: simrelease operation")
	}
	simOf(ts).Release(args[0])
}

// simfault OPERATION name=value...: a fault. The names are nth, times, path, status, code, stall, corrupt and reset.
func cmdSimFault(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: simfault operation name=value...")
	}
	f := ocisim.Fault{Match: ocisim.Match{Operation: args[0]}}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		switch name {
		case "nth":
			f.Match.Nth = n
		case "times":
			f.Match.Times = n
		case "status":
			f.Effect.Status = n
		case "corrupt":
			f.Effect.CorruptByte = int64(n)
		case "path":
			f.Match.Path, err = value, nil
		case "code":
			f.Effect.Code, err = value, nil
		case "stall":
			f.Effect.Stall, err = time.ParseDuration(value)
		case "reset":
			f.Effect.ResetAfter, err = value == "after", nil
		default:
			ts.Fatalf("unknown name %q", name)
		}
		ts.Check(err)
	}
	simOf(ts).Faults().Add(f)
}

// simcalm: no more faults.
func cmdSimCalm(ts *testscript.TestScript, _ bool, _ []string) { simOf(ts).Faults().Reset() }

// simforget: counting of requests begins anew.
func cmdSimForget(ts *testscript.TestScript, _ bool, _ []string) { simOf(ts).Log().Reset() }

// simlist BUCKET [PREFIX]: prints the names of the objects, for stdout and cmp.
func cmdSimList(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: simlist bucket [prefix]")
	}
	prefix := ""
	if len(args) == 2 {
		prefix = args[1]
	}
	for _, name := range simOf(ts).objects(ts, args[0], prefix) {
		_, err := fmt.Fprintln(ts.Stdout(), name)
		ts.Check(err)
	}
}

// simput BUCKET KEY...: puts an object under each key.
func cmdSimPut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: simput bucket key...")
	}
	namespace, size := simOf(ts).Namespace(), int64(len("text"))
	for _, key := range args[1:] {
		_, err := simOf(ts).storage(ts).PutObject(context.Background(), objectstorage.PutObjectRequest{NamespaceName: &namespace,
			BucketName: &args[0], ObjectName: &key, ContentLength: &size, PutObjectBody: io.NopCloser(strings.NewReader("text"))})
		ts.Check(err)
	}
}

// simempty: no image, staged object, pre-authenticated request or unfinished upload is left in the tenancy.
func cmdSimEmpty(ts *testscript.TestScript, neg bool, _ []string) {
	left := simOf(ts).left(ts)
	switch {
	case neg && len(left) == 0:
		ts.Fatalf("nothing is left behind")
	case !neg && len(left) > 0:
		ts.Fatalf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

func (s *simulator) provider() common.ConfigurationProvider {
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(s.key)})
	return common.NewRawConfigurationProvider(s.Tenancy(), s.User(), s.Region(), fingerprint(s.key), string(block), nil)
}

func (s *simulator) storage(ts checker) objectstorage.ObjectStorageClient {
	c, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(s.provider())
	ts.Check(err)
	c.Host = s.server.URL
	return c
}

func (s *simulator) objects(ts checker, bucket, prefix string) []string {
	namespace := s.Namespace()
	resp, err := s.storage(ts).ListObjects(context.Background(), objectstorage.ListObjectsRequest{NamespaceName: &namespace, BucketName: &bucket, Prefix: &prefix})
	ts.Check(err)
	var names []string
	for _, o := range resp.Objects {
		names = append(names, *o.Name)
	}
	return names
}

// tokenFolder is in the names of staged objects.
var tokenFolder = regexp.MustCompile(`(^|/)(hx-)?[0-9a-f]{24}/`)

// left lists what exports and transfers make on their way and must remove.
func (s *simulator) left(ts checker) []string {
	ctx, namespace, tenancy := context.Background(), s.Namespace(), s.Tenancy()
	left := s.images(ts)
	buckets, seen := s.storage(ts), map[string]bool{}
	for _, path := range s.compartments(ts) {
		resp, err := buckets.ListBuckets(ctx, objectstorage.ListBucketsRequest{NamespaceName: &namespace, CompartmentId: &path})
		ts.Check(err)
		for _, b := range resp.Items {
			seen[*b.Name] = true
		}
	}
	if len(seen) == 0 {
		ts.Fatalf("the tenancy %s shows no bucket", tenancy)
	}
	for bucket := range seen {
		uploads, err := buckets.ListMultipartUploads(ctx, objectstorage.ListMultipartUploadsRequest{NamespaceName: &namespace, BucketName: &bucket})
		ts.Check(err)
		for _, u := range uploads.Items {
			left = append(left, "upload of "+bucket+"/"+*u.Object)
		}
		pars, err := buckets.ListPreauthenticatedRequests(ctx, objectstorage.ListPreauthenticatedRequestsRequest{NamespaceName: &namespace, BucketName: &bucket})
		ts.Check(err)
		for _, p := range pars.Items {
			left = append(left, "pre-authenticated request "+*p.Name)
		}
		for _, name := range s.objects(ts, bucket, "") {
			if tokenFolder.MatchString(name) {
				left = append(left, "staged object "+bucket+"/"+name)
			}
		}
	}
	return left
}

func (s *simulator) compartments(ts checker) []string {
	c, err := identity.NewIdentityClientWithConfigurationProvider(s.provider())
	ts.Check(err)
	c.Host = s.server.URL
	tenancy, below := s.Tenancy(), true
	resp, err := c.ListCompartments(context.Background(), identity.ListCompartmentsRequest{CompartmentId: &tenancy, CompartmentIdInSubtree: &below})
	ts.Check(err)
	ids := []string{tenancy}
	for _, compartment := range resp.Items {
		ids = append(ids, *compartment.Id)
	}
	return ids
}

// images lists the custom images of the tenancy: those that name the compartment they are in.
func (s *simulator) images(ts checker) []string {
	c, err := core.NewComputeClientWithConfigurationProvider(s.provider())
	ts.Check(err)
	c.Host = s.server.URL
	var left []string
	for _, id := range s.compartments(ts) {
		resp, err := c.ListImages(context.Background(), core.ListImagesRequest{CompartmentId: &id})
		ts.Check(err)
		for _, image := range resp.Items {
			if image.CompartmentId != nil && *image.CompartmentId == id && image.BaseImageId != nil && image.LifecycleState != core.ImageLifecycleStateDeleted {
				left = append(left, "image "+*image.DisplayName)
			}
		}
	}
	return left
}
