package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hyperexport/hyperexport/internal/proof"
)

// findings is what was asked while the simulator ran.
type findings struct {
	disks  map[string]string // SHA-256 of each instance's disk, by name
	images []proof.Image
	left   proof.Left
	bucket proof.Folder // what the S3 server keeps of the bucket
	parts  []string     // files of its unfinished uploads
	again  struct {     // the report of a second apply
		Outcome string `json:"outcome"`
		Bytes   int64  `json:"bytes"`
		Steps   []struct {
			Outcome string `json:"outcome"`
		} `json:"steps"`
	}
}

// fact is one thing that should be so. Text says what was found, and err what is wrong with it.
type fact struct {
	text string
	err  error
}

// applyAgain applies the manifest a second time. A run that was whole leaves nothing to do.
func (d *demo) applyAgain(ctx context.Context) error {
	args := []string{"apply", "-f", manifestName, "--progress", "none", "-o", "json"}
	d.prompt(append(args, "> again.json"))
	out, err := d.command(ctx, args...).Output()
	if err != nil {
		return fmt.Errorf("apply again: %w", err)
	}
	return json.Unmarshal(out, &d.found.again)
}

// askCloud asks the simulator, by Oracle's SDK, what was made there and what is left.
func (d *demo) askCloud(ctx context.Context) error {
	d.found.disks = map[string]string{}
	for _, i := range d.sim.Instances {
		d.found.disks[i.Name] = i.DiskSHA256
	}
	cloud, err := proof.NewCloud(d.sim.ConfigFile, d.sim.Profile, d.sim.Endpoint, d.sim.Namespace, d.sim.Tenancy)
	if err != nil {
		return err
	}
	if d.found.images, err = cloud.Images(ctx); err != nil {
		return err
	}
	d.found.left, err = cloud.Left(ctx, staging)
	return err
}

// lookAtGateway reads the files in which the S3 server keeps objects and parts.
func (d *demo) lookAtGateway() error {
	dir := filepath.Join(d.gateway.Dir, bucket)
	var err error
	if d.found.bucket, err = proof.ReadFolder(filepath.Join(dir, "folder")); err != nil {
		return err
	}
	parts, err := proof.ReadFolder(filepath.Join(dir, ".sgwtmp"))
	d.found.parts = slices.Sorted(maps.Keys(parts.Files))
	return err
}

// prove measures every fact. An error means that one could not be measured.
func (d *demo) prove(ctx context.Context) ([]fact, error) {
	var facts []fact
	for _, name := range exported() {
		for _, format := range formats() {
			facts = append(facts, d.provenImage(ctx, name, format)...)
		}
	}
	folders, err := d.provenFolders()
	if err != nil {
		return nil, err
	}
	requests, err := d.provenRequests()
	if err != nil {
		return nil, err
	}
	facts = append(append(facts, folders...), requests...)
	for _, name := range exported() {
		facts = append(facts, d.provenOrigin(name))
	}
	here, err := d.provenHere()
	if err != nil {
		return nil, err
	}
	return append(facts, d.provenCloud(), d.provenGateway(), here, d.provenAgain()), nil
}

func (d *demo) provenImage(ctx context.Context, name, format string) []fact {
	file := "images/" + name + "." + format
	path := filepath.Join(d.dir, filepath.FromSlash(file))
	check := fact{file + ": qemu-img check finds no error", proof.CheckImage(ctx, path, format)}
	sum, err := proof.DiskSHA256(ctx, path, format, d.dir)
	if want := d.found.disks[name]; err == nil && sum != want {
		err = fmt.Errorf("the disk has %s", short(want))
	}
	return []fact{check, {fmt.Sprintf("%s: its content has sha256 %s, like the disk of %s", file, short(sum), name), err}}
}

// provenFolders compares the folder with what the S3 server has of it, and with what came back from Oracle Cloud.
func (d *demo) provenFolders() ([]fact, error) {
	want, err := proof.ReadFolder(filepath.Join(d.dir, "folder"))
	if err != nil {
		return nil, err
	}
	back, err := proof.ReadFolder(filepath.Join(d.dir, "back"))
	if err != nil {
		return nil, err
	}
	equal := func(name string, got proof.Folder) fact {
		return fact{fmt.Sprintf("%s: %d files, %.1f MiB, each with the sha256 of the one in folder/", name, len(got.Files), float64(got.Bytes)/(1<<20)),
			got.Equal(want)}
	}
	return []fact{equal("S3", d.found.bucket), equal("back/", back)}, nil
}

func (d *demo) provenGateway() fact {
	f := fact{text: fmt.Sprintf("left at S3: %d files of uploads", len(d.found.parts))}
	if len(d.found.parts) > 0 {
		f.err = errors.New(strings.Join(d.found.parts, ", "))
	}
	return f
}

// request is a line of the request log.
type request struct {
	Operation  string `json:"operation"`
	Path       string `json:"path"`
	RetryToken string `json:"retry_token"`
	Status     int    `json:"status"`
}

func (d *demo) readLog() ([]request, error) {
	f, err := os.Open(filepath.Join(d.dir, logName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []request
	for dec := json.NewDecoder(bufio.NewReader(f)); ; {
		var r request
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read %s: %w", logName, err)
		}
		all = append(all, r)
	}
}

// provenRequests counts in the request log what costs the most.
func (d *demo) provenRequests() ([]fact, error) {
	all, err := d.readLog()
	if err != nil {
		return nil, err
	}
	machines, each := len(exported()), len(formats())
	var facts []fact
	for _, c := range []struct {
		operation string
		want      int
		of        string
	}{
		{"CreateImage", machines, fmt.Sprintf("%d instances", machines)},
		{"ExportImage", machines * each, fmt.Sprintf("%d instances in %d formats", machines, each)},
		{"DeleteImage", machines, fmt.Sprintf("%d images", machines)},
	} {
		n, targets := 0, map[string]bool{}
		for _, r := range all {
			if r.Operation == c.operation {
				n++
				targets[r.Path+" "+r.RetryToken] = true
			}
		}
		f := fact{text: fmt.Sprintf("request log: %d %s for %s", n, c.operation, c.of)}
		if n != c.want || len(targets) != c.want {
			f.err = fmt.Errorf("%d are necessary; %d differ", c.want, len(targets))
		}
		facts = append(facts, f)
	}
	return facts, nil
}

// provenOrigin looks at the images that were made of one instance.
func (d *demo) provenOrigin(name string) fact {
	made, exports := 0, 0
	for _, i := range d.found.images {
		if i.Item == fmt.Sprintf("export.web[%q]", name) {
			made++
			exports += i.Exports
		}
	}
	f := fact{text: fmt.Sprintf("%s: %d custom image was made of it and exported %d times", name, made, exports)}
	if made != 1 || exports != len(formats()) {
		f.err = fmt.Errorf("one image and %d exports are necessary", len(formats()))
	}
	return f
}

func (d *demo) provenCloud() fact {
	l := d.found.left
	text := fmt.Sprintf("left in OCI: %d images, %d staged objects, %d uploads, %d pre-authenticated requests",
		len(l.Images), len(l.Staged), len(l.Uploads), len(l.Requests))
	var err error
	for _, list := range [][]string{l.Images, l.Staged, l.Uploads, l.Requests} {
		for _, name := range list {
			err = errors.Join(err, errors.New(name))
		}
	}
	return fact{text, err}
}

func (d *demo) provenHere() (fact, error) {
	var files []string
	for _, dir := range []string{"images", "back", "folder"} {
		found, err := proof.TemporaryFiles(filepath.Join(d.dir, dir))
		if err != nil {
			return fact{}, err
		}
		files = append(files, found...)
	}
	f := fact{text: fmt.Sprintf("left here: %d temporary files", len(files))}
	if len(files) > 0 {
		f.err = errors.New(strings.Join(files, ", "))
	}
	return f, nil
}

func (d *demo) provenAgain() fact {
	current := 0
	for _, s := range d.found.again.Steps {
		if s.Outcome == "up to date" {
			current++
		}
	}
	f := fact{text: fmt.Sprintf("apply again: %d of %d steps are up to date, %d bytes moved", current, len(d.found.again.Steps), d.found.again.Bytes)}
	if current == 0 || current != len(d.found.again.Steps) || d.found.again.Bytes != 0 || d.found.again.Outcome != "done" {
		f.err = errors.New("nothing should be left to do")
	}
	return f
}

// printFacts prints a line for each fact and returns how many do not hold.
func printFacts(w io.Writer, facts []fact) (failed int) {
	fmt.Fprint(w, "\nProof\n")
	for _, f := range facts {
		if f.err == nil {
			fmt.Fprintf(w, "  ok    %s\n", f.text)
			continue
		}
		failed++
		fmt.Fprintf(w, "  WRONG %s: %s\n", f.text, strings.ReplaceAll(f.err.Error(), "\n", ", "))
	}
	return failed
}
