package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// recorded serves answers of Amazon's by method and query, and keeps the bodies of requests.
type recorded struct {
	answers map[string]func(w http.ResponseWriter)
	asked   []string
	bodies  []string
}

func (s *recorded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	q := r.URL.Query()
	for _, name := range []string{"max-keys", "encoding-type", "list-type"} {
		q.Del(name)
	}
	name := strings.TrimSuffix(r.Method+" "+r.URL.Path+"?"+q.Encode(), "?")
	s.asked, s.bodies = append(s.asked, name), append(s.bodies, string(body))
	w.Header().Set("X-Amz-Request-Id", "REQUEST")
	if answer := s.answers[name]; answer != nil {
		answer(w)
		return
	}
	refuse(w, http.StatusNotFound, codeNoSuchBucket)
}

func text(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { fmt.Fprint(w, body) }
}

// amazon returns a provider that takes the recorded answers for Amazon's.
func (s *recorded) amazon(t *testing.T, region string) *Provider {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	none := t.TempDir() + "/none"
	p := provider(t, Config{Endpoint: server.URL, Region: region,
		Credentials: Credentials{AccessKey: testAccess, SecretKey: testSecret, CredentialsFile: none, ConfigFile: none}})
	p.o.aws = true
	return p
}

const versionsPage = `<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker>
<NextKeyMarker>a+b</NextKeyMarker><NextVersionIdMarker>QUpf</NextVersionIdMarker><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<DeleteMarker><Key>a+b</Key><VersionId>03jp</VersionId><IsLatest>true</IsLatest><LastModified>2009-11-12T17:50:30.000Z</LastModified><Owner><ID>x</ID></Owner></DeleteMarker>
<Version><Key>a+b</Key><VersionId>QUpf</VersionId><IsLatest>false</IsLatest><LastModified>2009-10-10T17:50:30.000Z</LastModified><ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size><StorageClass>DEEP_ARCHIVE</StorageClass></Version>
</ListVersionsResult>`

const versionsEnd = `<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>
<Version><Key>a+b</Key><VersionId>null</VersionId><IsLatest>false</IsLatest><LastModified>2009-10-11T17:50:30.000Z</LastModified><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><Size>166434</Size><StorageClass>STANDARD</StorageClass></Version>
<DeleteMarker><Key>a+b</Key><VersionId>old</VersionId><IsLatest>false</IsLatest><LastModified>2009-10-09T17:50:30.000Z</LastModified></DeleteMarker>
<Version><Key>c</Key><VersionId>null</VersionId><IsLatest>true</IsLatest><LastModified>2009-10-11T12:50:30.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size><StorageClass>GLACIER</StorageClass><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2040-12-21T00:00:00.000Z</RestoreExpiryDate></RestoreStatus></Version>
</ListVersionsResult>`

func TestVersionsAreReadAsAmazonListsThem(t *testing.T) {
	s := &recorded{answers: map[string]func(http.ResponseWriter){
		"GET /bucket?versions=": text(versionsPage),
		"GET /bucket?key-marker=a+b&version-id-marker=QUpf&versions=": text(versionsEnd),
	}}
	var got []string
	for v, err := range storage(t, s.amazon(t, ""), "bucket").Versions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %v %v %s %v", v.Key, v.Generation, v.Latest, v.DeleteMarker, v.Tier, v.Archived))
	}
	want := []string{"a b 03jp true true  false", "a b QUpf false false DEEP_ARCHIVE true", "a b null false false  false", "a b old false true  false",
		"c null true false GLACIER false"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestBucketsAreMadeInTheirRegion(t *testing.T) {
	made := func(http.ResponseWriter) {}
	for region, constraint := range map[string]string{"": "", "us-east-1": "",
		"eu-central-1": `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>`} {
		s := &recorded{answers: map[string]func(http.ResponseWriter){"PUT /bucket": made}}
		if err := storage(t, s.amazon(t, region), "bucket").CreateContainer(t.Context()); err != nil || s.bodies[len(s.bodies)-1] != constraint {
			t.Errorf("%q: %v, sent %q", region, err, s.bodies)
		}
	}
	refused := func(code string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { refuse(w, http.StatusConflict, code) }
	}
	for name, c := range map[string]struct {
		answers map[string]func(http.ResponseWriter)
		kind    backend.Kind
	}{
		"ours, in the region that would make it again": {map[string]func(http.ResponseWriter){"HEAD /bucket": made, "PUT /bucket": made}, backend.Exists},
		"ours since a moment":                          {map[string]func(http.ResponseWriter){"PUT /bucket": refused("BucketAlreadyOwnedByYou")}, backend.Exists},
		"somebody else's":                              {map[string]func(http.ResponseWriter){"PUT /bucket": refused("BucketAlreadyExists")}, backend.Forbidden},
		"somebody else's that answers": {map[string]func(http.ResponseWriter){
			"HEAD /bucket": func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, "PUT /bucket": made}, backend.Forbidden},
	} {
		s := &recorded{answers: c.answers}
		if err := storage(t, s.amazon(t, ""), "bucket").CreateContainer(t.Context()); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, asked %q", name, err, s.asked)
		}
	}
}

func TestRestoreAsksForDays(t *testing.T) {
	for period, days := range map[time.Duration]string{time.Hour: "1", 24 * time.Hour: "1", 25 * time.Hour: "2"} {
		s := &recorded{answers: map[string]func(http.ResponseWriter){"POST /bucket/k?restore=&versionId=v": func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }}}
		err := storage(t, s.amazon(t, ""), "bucket").Restore(t.Context(), backend.Object{Key: "k", Generation: "v"}, period)
		want := `<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Days>` + days + `</Days><GlacierJobParameters><Tier>Standard</Tier></GlacierJobParameters></RestoreRequest>`
		if err != nil || s.bodies[0] != want {
			t.Errorf("%s: %v, sent %q", period, err, s.bodies)
		}
	}
}

const bucketsPage = `<?xml version="1.0" encoding="UTF-8"?>
<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>x</ID></Owner><Buckets>
<Bucket><Name>alpha</Name><CreationDate>2019-12-11T23:32:47.000Z</CreationDate><BucketRegion>eu-central-1</BucketRegion></Bucket></Buckets>
<ContinuationToken>next</ContinuationToken></ListAllMyBucketsResult>`

const bucketsEnd = `<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets><Bucket><Name>beta</Name><CreationDate>2020-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`

func TestInventoryListsBuckets(t *testing.T) {
	s := &recorded{answers: map[string]func(http.ResponseWriter){"GET /": text(bucketsPage), "GET /?continuation-token=next": text(bucketsEnd)}}
	names := func(p *Provider, q backend.Query) (names []string, failed error) {
		inv, err := p.Inventory()
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range inv.Resources(t.Context(), q) {
			if err != nil {
				return names, err
			}
			if r.Type != "bucket" || r.ID != r.Name || r.Created.IsZero() || r.Region == "" {
				t.Errorf("%+v", r)
			}
			names = append(names, r.Name+" "+r.Region)
		}
		return names, nil
	}
	p := s.amazon(t, "us-west-2")
	for want, q := range map[string]backend.Query{
		"alpha eu-central-1,beta us-west-2": {}, "beta us-west-2": {Type: "bucket", Name: "b*"}, "alpha eu-central-1": {ID: "alpha", Scope: "s3"}, "": {State: []string{"RUNNING"}},
	} {
		if got, err := names(p, q); err != nil || strings.Join(got, ",") != want {
			t.Errorf("%+v: %q, %v", q, got, err)
		}
	}
	for kind, q := range map[backend.Kind]backend.Query{
		backend.Unsupported: {Type: "instance"}, backend.NotFound: {Scope: "acme/prod"},
	} {
		if _, err := names(p, q); !errors.Is(err, kind) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := names(p, backend.Query{Tags: map[string]string{"a": "b"}}); !errors.Is(err, backend.Unsupported) {
		t.Errorf("by tags: %v", err)
	}
	name := newBucket(t, "inventory")
	config := ofVersity()
	got, err := names(provider(t, config), backend.Query{Name: name})
	if err != nil || len(got) != 1 {
		t.Errorf("of versitygw: %q, %v", got, err)
	}
}
