package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/manifests"
	"github.com/hyperexport/hyperexport/plugins/oci"
)

// ociBackends lists the backends of a manifest that are accounts of Oracle Cloud.
func ociBackends(m *manifests.Manifest) []manifests.Backend {
	var all []manifests.Backend
	for _, scheme := range usedSchemes(m) {
		if b, ok := m.Backend(scheme); ok && b.Plugin == "oci" {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(x, y manifests.Backend) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// useOf says what a manifest does with one account. A variable that is known only to a run stands as *.
func useOf(m *manifests.Manifest, b manifests.Backend) (oci.Use, error) {
	u := &manifestUse{m: m, backend: b, use: oci.Use{Root: b.Settings["compartment"].Value, Region: b.Settings["region"].Value}}
	switch b.Settings["auth"].Value {
	case oci.AuthSessionToken, oci.AuthInstancePrincipal, oci.AuthResourcePrincipal, oci.AuthWorkloadIdentity:
		u.use.ByURL = true
	}
	for _, e := range m.Exports {
		if err := u.export(e); err != nil {
			return u.use, err
		}
	}
	for _, t := range m.Transfers {
		if err := u.transfer(t); err != nil {
			return u.use, err
		}
	}
	for _, k := range m.Buckets {
		step := "bucket." + k.ID
		use, ours, err := u.bucket(step, k.Location)
		if err != nil {
			return u.use, err
		}
		if use.Rules = true; ours {
			u.use.Buckets = append(u.use.Buckets, use)
		}
	}
	return u.use, nil
}

type manifestUse struct {
	m       *manifests.Manifest
	backend manifests.Backend
	use     oci.Use
}

// bucket returns the use of the bucket of t, if that is a location of the account.
func (u *manifestUse) bucket(step string, t manifests.Text) (oci.BucketUse, bool, error) {
	loc, err := u.m.Location(t, func(string) (string, bool) { return "*", true })
	if err != nil || loc.Scheme != u.backend.Name {
		return oci.BucketUse{}, false, err
	}
	use, err := oci.BucketUseOf(step, loc)
	if err != nil {
		return use, false, &codeError{exitInvalid, fmt.Errorf("%s: %w", step, err), ""}
	}
	return use, true, nil
}

func (u *manifestUse) export(e manifests.Export) error {
	step := "export." + e.ID
	if e.Backend == u.backend.Name {
		machine := oci.MachineUse{Step: step, Instance: e.Instance, Image: e.Image, Stops: e.Stop == "soft" || e.Stop == "hard"}
		if s := e.Select; s != nil {
			machine.Compartment, machine.Recursive = s.Compartment, s.Recursive
		}
		u.use.Machines = append(u.use.Machines, machine)
	}
	staging, ours, err := u.bucket(step, e.Staging)
	if err != nil {
		return err
	}
	if ours {
		staging.Stage, staging.Reads = true, true
		u.use.Buckets = append(u.use.Buckets, staging)
	}
	for _, to := range e.To {
		if err := u.copy(step, staging, ours, to); err != nil {
			return err
		}
	}
	return nil
}

func (u *manifestUse) transfer(t manifests.Transfer) error {
	step := "transfer." + t.ID
	from, ours, err := u.bucket(step, t.From)
	if err != nil {
		return err
	}
	if ours {
		from.Reads = true
		u.use.Buckets = append(u.use.Buckets, from)
	}
	return u.copy(step, from, ours, t.To)
}

// copy adds a destination. Between two buckets of one user the service copies, that of the source's region.
func (u *manifestUse) copy(step string, from oci.BucketUse, fromOurs bool, t manifests.Text) error {
	to, ours, err := u.bucket(step, t)
	if err != nil {
		return err
	}
	if ours {
		to.Writes, to.Reads = true, true
		u.use.Buckets = append(u.use.Buckets, to)
	} else if to, err = u.peerBucket(step, t); err != nil {
		return err
	}
	if fromOurs && to.Name != "" {
		u.use.Copies = append(u.use.Copies, from.Name, to.Name)
	}
	return nil
}

// peerBucket returns the use of the bucket of t if that is a location of another block which may sign in as the same user.
func (u *manifestUse) peerBucket(step string, t manifests.Text) (oci.BucketUse, error) {
	for _, b := range ociBackends(u.m) {
		if b.Name == u.backend.Name || !maySignAlike(b, u.backend) {
			continue
		}
		peer := &manifestUse{m: u.m, backend: b}
		if use, ok, err := peer.bucket(step, t); ok || err != nil {
			return use, err
		}
	}
	return oci.BucketUse{}, nil
}

// maySignAlike reports whether nothing in the manifest says that two blocks sign in as different users. Two profiles may be
// one user's for two regions.
func maySignAlike(a, b manifests.Backend) bool {
	for _, key := range []string{"auth", "tenancy_ocid", "user_ocid"} {
		if a.Settings[key].Value != b.Settings[key].Value {
			return false
		}
	}
	return true
}

// subjectFlags say for whom statements are.
type subjectFlags struct {
	Group        string `placeholder:"NAME" xor:"subject" help:"Statements for a group of users (default: as the manifest signs in, with the name hyperexport)."`
	DynamicGroup string `placeholder:"NAME" xor:"subject" help:"Statements for a dynamic group of instances or resources."`
	AnyUser      bool   `xor:"subject" help:"Statements for any user, as for pods of a cluster; narrow them by conditions."`

	BucketCompartment string `placeholder:"PATH" help:"Compartment that the buckets are in: a path or an OCID (default: anywhere in the tenancy)."`
}

// subject is the one of the flags, else one that fits how the backend signs in.
func (f subjectFlags) subject(b manifests.Backend) oci.Subject {
	switch {
	case f.Group != "":
		return oci.Subject{Name: "group " + f.Group}
	case f.DynamicGroup != "":
		return oci.Subject{Name: "dynamic-group " + f.DynamicGroup}
	case f.AnyUser && b.Settings["auth"].Value != oci.AuthWorkloadIdentity:
		return oci.Subject{Name: "any-user"}
	}
	switch b.Settings["auth"].Value {
	case oci.AuthInstancePrincipal, oci.AuthResourcePrincipal:
		if b.Settings["delegation_token"].Secret == nil && b.Settings["delegation_token_file"].Value == "" {
			return oci.Subject{Name: "dynamic-group hyperexport"}
		}
	case oci.AuthWorkloadIdentity:
		return oci.Subject{Name: "any-user", Where: []string{"request.principal.type='workload'",
			"request.principal.namespace='NAMESPACE'", "request.principal.service_account='SERVICE_ACCOUNT'", "request.principal.cluster_id='CLUSTER_OCID'"}}
	}
	return oci.Subject{Name: "group hyperexport"}
}

// buckets is where the buckets are, as statements say it; "" is anywhere.
func (f subjectFlags) buckets() string {
	switch {
	case f.BucketCompartment == "":
		return ""
	case strings.HasPrefix(f.BucketCompartment, "ocid1."):
		return "compartment id " + f.BucketCompartment
	}
	return "compartment " + strings.ReplaceAll(strings.Trim(f.BucketCompartment, "/"), "/", ":")
}
