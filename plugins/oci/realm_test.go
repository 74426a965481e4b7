package oci

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// hostOnly remembers where a request would go and sends nothing.
type hostOnly struct{ host string }

func (h *hostOnly) Do(r *http.Request) (*http.Response, error) {
	h.host = r.URL.Host
	return nil, errors.New("not sent")
}

// TestHosts asks each service of a region for something and looks at the host.
func TestHosts(t *testing.T) {
	f := newFolder(t)
	for name, tc := range map[string]struct {
		region                     string
		realm                      Realm
		storage, compute, identity string
	}{
		"known":          {"phx", Realm{}, "objectstorage.us-phoenix-1.oraclecloud.com", "iaas.us-phoenix-1.oraclecloud.com", "identity.us-phoenix-1.oci.oraclecloud.com"},
		"another realm":  {"uk-gov-london-1", Realm{}, "objectstorage.uk-gov-london-1.oraclegovcloud.uk", "iaas.uk-gov-london-1.oraclegovcloud.uk", "identity.uk-gov-london-1.oci.oraclegovcloud.uk"},
		"unknown realm":  {"xx-lab-1", Realm{Domain: "lab.example"}, "objectstorage.xx-lab-1.lab.example", "iaas.xx-lab-1.lab.example", "identity.xx-lab-1.oci.lab.example"},
		"dedicated":      {"phx", Realm{Dedicated: true}, "ns.objectstorage.us-phoenix-1.oci.customer-oci.com", "iaas.us-phoenix-1.oraclecloud.com", "identity.us-phoenix-1.oci.oraclecloud.com"},
		"dual stack":     {"phx", Realm{DualStack: true}, "objectstorage.us-phoenix-1.ds.oci.oraclecloud.com", "iaas.us-phoenix-1.ds.oci.oraclecloud.com", "identity.us-phoenix-1.oci.oraclecloud.com"},
		"dedicated dual": {"phx", Realm{Dedicated: true, DualStack: true}, "ns.objectstorage.us-phoenix-1.ds.oci.customer-oci.com", "iaas.us-phoenix-1.ds.oci.oraclecloud.com", "identity.us-phoenix-1.oci.oraclecloud.com"},
		"unknown dual":   {"xx-lab-1", Realm{Domain: "lab.example", DualStack: true}, "objectstorage.xx-lab-1.ds.oci.lab.example", "iaas.xx-lab-1.ds.oci.lab.example", "identity.xx-lab-1.oci.lab.example"},
	} {
		p, err := New(Config{TenancyOCID: tenancyOCID, UserOCID: userOCID, Fingerprint: f.print, PrivateKeyPath: f.key, Region: tc.region, Realm: tc.realm})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var seen hostOnly
		p.objects.HTTPClient, p.machines.HTTPClient, p.identity.HTTPClient = &seen, &seen, &seen
		ask := func(what, want string, call func(ctx context.Context) error) {
			if err := call(t.Context()); err == nil || seen.host != want {
				t.Errorf("%s: %s at %s, want %s (%v)", name, what, seen.host, want, err)
			}
		}
		s, _, err := p.Open(backend.Location{Scheme: scheme, Path: "ns/bucket/"})
		check(t, err)
		ask("storage", tc.storage, func(ctx context.Context) error { _, err := s.Stat(ctx, "key"); return err })
		ask("compute", tc.compute, func(ctx context.Context) error {
			_, err := compute{p}.instance(ctx, "get", "ocid1.instance.oc1.phx.a")
			return err
		})
		ask("identity", tc.identity, func(ctx context.Context) error {
			for _, err := range (inventory{p}).Scopes(ctx) {
				return err
			}
			return nil
		})
		check(t, p.Close())
	}
	if _, err := New(Config{TenancyOCID: tenancyOCID, UserOCID: userOCID, Fingerprint: f.print, PrivateKeyPath: f.key, Region: "phx", Realm: Realm{Domain: "a b"}}); err == nil {
		t.Error("a realm that is no domain is accepted")
	}
}
