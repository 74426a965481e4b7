package manifests_test

import (
	"fmt"

	"github.com/hyperexport/hyperexport/manifests"
)

const nightly = `version: 1
name: nightly
vars:
  bucket: {default: acme}
exports:
  web:
    instance: ocid1.instance.oc1.phx.aaaa
    formats: [qcow2]
    staging: oci://axns/hx-staging/
    to: s3://${bucket}/${instance.name}/${run.date}/
`

func ExampleParse() {
	m, err := manifests.Parse("nightly.yaml", []byte(nightly), manifests.Options{Dir: "/srv"})
	if err != nil {
		fmt.Println(err)
		return
	}
	web := m.Exports[0]
	fmt.Println(web.ID, web.Backend, web.Formats, web.Verify)
	fmt.Println(web.To[0])
	// Output:
	// web oci [qcow2] checksum
	// s3://acme/${instance.name}/${run.date}/
}

func ExampleParse_errors() {
	_, err := manifests.Parse("prod.yaml", []byte("version: 1\nname: x\nexports:\n  web:\n    instanse: ocid1.x\n    formats: [qcow]\n"), manifests.Options{})
	fmt.Println(err)
	// Output:
	// prod.yaml:4:3: export "web" has neither instance nor select nor image
	//     4 |   web:
	//       |   ^^^
	// prod.yaml:4:3: export "web" has no key "staging"; it is required
	//     4 |   web:
	//       |   ^^^
	// prod.yaml:5:5: unknown key "instanse" in export
	//     5 |     instanse: ocid1.x
	//       |     ^^^^^^^^ did you mean "instance"?
	// prod.yaml:6:15: formats: "qcow" is none of qcow2, vmdk, vhd, vdi, oci
	//     6 |     formats: [qcow]
	//       |               ^^^^ did you mean "qcow2"?
	// 4 errors; nothing was contacted
}

func ExampleExpand() {
	m, err := manifests.Parse("nightly.yaml", []byte(nightly), manifests.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	late := map[string]string{"instance.name": "web-01", "run.date": "day-1"}
	to, err := m.Location(m.Exports[0].To[0], func(name string) (string, bool) {
		v, ok := late[name]
		return v, ok
	})
	fmt.Println(to, err)
	// Output: s3://acme/web-01/day-1/ <nil>
}
