package manifests

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Backend is a provider of storage or compute as the manifest names it.
type Backend struct {
	Name     string // also the scheme of its locations
	Plugin   string // oci, s3, local, the name of a plugin, or a path
	Settings map[string]Setting
	Dir      string // folder of the file that names it; relative paths in Settings are below it
	Pos      Pos
}

// Setting is one key of a backend: a value, or a reference to a secret.
type Setting struct {
	Value  string
	Secret *Secret // nil if it is a value
	Pos    Pos
}

// Config is the user's own file: backends for every command, below those of a manifest.
type Config struct {
	Backends map[string]Backend
}

// ParseConfig reads a file that has only a backends block. Its errors are those of Parse.
func ParseConfig(name string, src []byte, o Options) (*Config, error) {
	b := &binder{src: newSource(name, src), o: o}
	c := &Config{}
	if root := b.load("config file"); root != nil {
		object("the config file", backendsField(func(c *Config) *map[string]Backend { return &c.Backends })).
			bind(b, value{node: root, name: "the config file"}, c)
	}
	if err := b.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Backend returns the backend for a scheme: the user's, else the built-in oci, s3 or file. c may be nil.
func (c *Config) Backend(scheme string) (Backend, bool) {
	if c != nil {
		if b, ok := c.Backends[scheme]; ok {
			return b, true
		}
	}
	if plugin, ok := builtin[scheme]; ok {
		return Backend{Name: scheme, Plugin: plugin}, true
	}
	return Backend{}, false
}

// builtin are the backends that exist without being listed, by scheme, and their plugins.
var builtin = map[string]string{"oci": "oci", "s3": "s3", "file": "local"}

func backendsField[T any](get func(*T) *map[string]Backend) field[T] {
	rule := keyRule{"name of a backend", schemeRegexp, "use small letters, digits and -; begin with a letter"}
	f := mapOf("backends", rule, backendForm(""))
	f.schema = f.schema.with(func(s *schema) {
		for _, name := range []string{"oci", "s3", "file"} {
			s.Properties = append(s.Properties, property{name, backendForm(builtin[name]).schema})
		}
	})
	return at("backends", "Where things are. The key is the scheme of locations; oci, s3 and file exist without being listed.", get, f)
}

// backendForm reads a backend by the rules of its plugin; the one it has if it names none is implied.
func backendForm(implied string) form[Backend] {
	oci, s3 := object("backend", ociFields()...), object("backend", s3Fields()...)
	local, other := object("backend", pluginField()), otherForm(implied == "")
	is := func(plugin string) *schema {
		s := &schema{Properties: properties{{"plugin", &schema{Const: plugin}}}}
		if implied != plugin {
			s.Required = []string{"plugin"}
		}
		return s
	}
	s := &schema{
		If: is("oci"), Then: oci.schema, Else: &schema{
			If: is("s3"), Then: s3.schema, Else: &schema{
				If: is("local"), Then: local.schema, Else: other.schema,
			},
		},
	}
	return form[Backend]{schema: s, bind: func(b *binder, v value, to *Backend) {
		*to = Backend{Plugin: builtin[v.key.Value], Name: v.key.Value, Dir: b.o.Dir, Pos: v.pos(), Settings: map[string]Setting{}}
		plugin := to.Plugin
		for _, p := range b.quietly().pairs(v) {
			if n := follow(p.node); p.key.Value == "plugin" && n.Kind == yaml.ScalarNode {
				plugin = n.Value
			}
		}
		switch plugin {
		case "oci":
			b.hideUnknown(v, oci.schema.Properties)
			oci.bind(b, v, to)
		case "s3":
			b.hideUnknown(v, s3.schema.Properties)
			s3.bind(b, v, to)
		case "local":
			local.bind(b, v, to)
		default:
			other.bind(b, v, to)
		}
	}}
}

func pluginField() field[Backend] {
	return at("plugin", "oci, s3, local, the name of a plugin in the plugin directory, or the absolute path of one.",
		func(b *Backend) *string { return &b.Plugin },
		matching(pluginRegexp, "%q is neither the name of a plugin nor an absolute path",
			"a plugin is never taken from the folder one happens to be in: write its whole path, or install it and write its name"))
}

func ociFields() []field[Backend] {
	return []field[Backend]{
		pluginField(),
		setting("auth", "How to sign in.", enum("config_file", "env", "session_token", "instance_principal", "resource_principal", "oke_workload_identity")),
		setting("profile", "Profile in the config file.", str()),
		setting("config_file", "Config file of the OCI command line tools; ~/.oci/config.", str()),
		setting("region", "Region, such as us-phoenix-1.", str()),
		setting("tenancy_ocid", "Tenancy, to sign in without a config file.", str()),
		setting("user_ocid", "User, to sign in without a config file.", str()),
		setting("fingerprint", "Fingerprint of the user's API key.", str()),
		setting("private_key_path", "File with the user's API key in PEM form.", str()),
		secret("private_key", "The API key itself in PEM form, instead of its file."),
		secret("passphrase", "Passphrase of the API key."),
		setting("security_token_file", "File with the token of a session, to sign in without a config file.", str()),
		secret("delegation_token", "Token of the user that an instance acts for."),
		setting("delegation_token_file", "File with that token, which is read again for every request.", str()),
		setting("service_account_token_file", "With auth: oke_workload_identity, the token of the pod; where Kubernetes puts it if left out.", str()),
		setting("realm_domain", "Domain of the region's realm, such as oraclecloud.com, where it is not known.", str()),
		setting("realm_endpoints", "Use the hosts that some realms have for each namespace of object storage.", boolean()),
		setting("dual_stack", "Use the hosts that have an IPv6 address too.", boolean()),
		setting("compartment", "Compartment to work in: an OCID, or a path below the tenancy.", str()),
		setting("endpoint", "Endpoint to use for every service; for simulators and private realms.", str()),
		setting("storage_tier", "Of the objects that are written; the bucket's own if left out.", enum("standard", "infrequent_access", "archive")),
		setting("kms_key", "OCID of the Vault key that they are encrypted with; the bucket's own if left out. Not with encryption_key.", str()),
		secret("encryption_key", "Your own key in its place, base64 of 32 bytes; needed to read the objects again."),
	}
}

func s3Fields() []field[Backend] {
	return []field[Backend]{
		pluginField(),
		setting("profile", "Profile in the AWS config files.", str()),
		setting("region", "Region, such as eu-central-1.", str()),
		setting("endpoint", "Endpoint, for servers other than AWS.", str()),
		setting("path_style", "Put the bucket into the path instead of the host name.", boolean()),
		setting("ca_file", "PEM file of authorities to trust beside those of the system.", str()),
		secret("access_key", "Access key id."),
		secret("secret_key", "Secret access key."),
		secret("session_token", "Session token of temporary keys."),
		setting("credentials_file", "Credentials file of the AWS tools; ~/.aws/credentials.", str()),
		setting("config_file", "Config file of the AWS tools; ~/.aws/config.", str()),
		setting("anonymous", "Do not sign requests; for public buckets.", boolean()),
		setting("storage_class", "Of the objects that are written, such as STANDARD_IA; the bucket's own if left out.", str()),
		setting("encryption", "By the service with a key of its own (aes256) or of its key service (kms), or with yours (customer).",
			enum("none", "aes256", "kms", "customer")),
		setting("kms_key", "With encryption: kms, the id or ARN of the key; the account's own if left out.", str()),
		secret("encryption_key", "With encryption: customer, base64 of 32 bytes; needed to read the objects again."),
		settings("tags", "Put on every object that is written; at most ten."),
		setting("checksums", "What the service verifies; found out if left out.", enum("auto", "crc32c", "md5", "none")),
		setting("conditions", "off for a service that ignores If-Match and If-None-Match on writes.", enum("on", "off")),
		setting("keys", "tree for a service that keeps objects in folders: names that it would take for others are refused.",
			enum("any", "tree")),
	}
}

// setting is a key whose value is kept as text.
func setting[T any](key, doc string, f form[T]) field[Backend] {
	return field[Backend]{
		key:    key,
		schema: f.schema.with(func(s *schema) { s.Description = doc }),
		bind: func(b *binder, v value, to *Backend) {
			var t T
			f.bind(b, v, &t)
			to.Settings[v.key.Value] = Setting{Value: fmt.Sprint(t), Pos: Pos{v.node.Line, v.node.Column}}
		},
	}
}

// settings is a key with values under any name; each is a setting "key.name".
func settings(key, doc string) field[Backend] {
	f := mapOf(key, tagRule(), plainText())
	return field[Backend]{
		key:    key,
		schema: f.schema.with(func(s *schema) { s.Description = doc }),
		bind: func(b *binder, v value, to *Backend) {
			var values map[string]string
			f.bind(b, v, &values)
			for name, text := range values {
				to.Settings[key+"."+name] = Setting{Value: text, Pos: Pos{v.node.Line, v.node.Column}}
			}
		},
	}
}

// secret is a key whose value is a reference to a secret.
func secret(key, doc string) field[Backend] {
	f := secretForm()
	return field[Backend]{
		key:    key,
		schema: f.schema.with(func(s *schema) { s.Description = doc }),
		bind: func(b *binder, v value, to *Backend) {
			s := new(Secret)
			f.bind(b, v, s)
			to.Settings[v.key.Value] = Setting{Secret: s, Pos: Pos{v.node.Line, v.node.Column}}
		},
	}
}

// otherForm is a backend of a plugin that we know nothing about: single values and references to secrets under any key.
func otherForm(required bool) form[Backend] {
	plugin, hidden, open := pluginField(), secret("", ""), setting("", "", plainText())
	either := &schema{AnyOf: []*schema{open.schema, secretForm().schema}}
	s := &schema{
		Type:                 "object",
		Properties:           properties{{"plugin", plugin.schema}},
		PatternProperties:    properties{{secretKeyPattern, secretForm().schema}},
		AdditionalProperties: either,
	}
	if required {
		s.Required = []string{"plugin"}
	}
	return form[Backend]{schema: s, bind: func(b *binder, v value, to *Backend) {
		given := false
		for _, p := range b.pairs(v) {
			n := follow(p.node)
			switch key := p.key.Value; {
			case key == "plugin":
				given = true
				plugin.bind(b, p.value(), to)
			case secretKey.MatchString(key) || n.Kind == yaml.MappingNode:
				hidden.bind(b, p.value(), to)
			default:
				open.bind(b, p.value(), to)
			}
		}
		if required && !given && follow(v.node).Kind == yaml.MappingNode {
			b.failAt(v.mark(), "", "backend %q has no key %q; it is required", v.name, "plugin")
		}
	}}
}

// hideUnknown makes the values of misspelt keys unreadable: they may be secrets.
func (b *binder) hideUnknown(v value, known properties) {
	names := map[string]bool{}
	for _, f := range known {
		names[f.key] = true
	}
	for _, p := range b.quietly().pairs(v) {
		if !names[p.key.Value] {
			b.hideAll(p.node)
		}
	}
}

// quietly returns a binder that looks and records nothing.
func (b *binder) quietly() *binder { return &binder{src: b.src} }
