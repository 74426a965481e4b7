package oci

import "cmp"

// FromEnvironment returns what the variables of the OCI command line tools, of the SDKs and of Kubernetes say, for a Config
// whose Auth is auth. getenv gives a variable, "" if it is not set. With auth config_file the variables that say who signs are
// not looked at: the profile does.
func FromEnvironment(getenv func(string) string, auth string) Config {
	first := func(names ...string) string {
		for _, name := range names {
			if v := getenv(name); v != "" {
				return v
			}
		}
		return ""
	}
	c := Config{
		ConfigFile: first("OCI_CLI_CONFIG_FILE", "OCI_CONFIG_FILE", "OCI_CONFIG_PATH"),
		Profile:    first("OCI_CLI_PROFILE", "OCI_PROFILE"),
		Region:     first("OCI_CLI_REGION", "OCI_REGION"),
		Endpoint:   getenv("OCI_CLI_ENDPOINT"),
		Principal: Principal{
			MetadataURL: getenv("OCI_METADATA_BASE_URL"), FederationURL: getenv("OCI_SDK_AUTH_CLIENT_REGION_URL"),
			DelegationTokenFile: getenv("OCI_CLI_DELEGATION_TOKEN_FILE"),
			KubernetesHost:      getenv("KUBERNETES_SERVICE_HOST"), KubernetesCAFile: getenv("OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH"),
			Resource: ResourcePrincipal{
				Version: getenv("OCI_RESOURCE_PRINCIPAL_VERSION"), Region: getenv("OCI_RESOURCE_PRINCIPAL_REGION"),
				Token: getenv("OCI_RESOURCE_PRINCIPAL_RPST"), PrivateKey: getenv("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM"),
				Passphrase:    getenv("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE"),
				TokenEndpoint: getenv("OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT"), TokenPath: getenv("OCI_RESOURCE_PRINCIPAL_RPT_PATH"),
				ResourceID: getenv("OCI_RESOURCE_PRINCIPAL_RPT_ID"), SessionEndpoint: getenv("OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT"),
			},
		},
	}
	if auth == "" || auth == AuthEnvironment {
		c.Auth = methodOf(getenv("OCI_CLI_AUTH"))
	}
	if auth == AuthConfigFile || isPrincipal(auth) || isPrincipal(c.Auth) {
		return c
	}
	c.TenancyOCID, c.UserOCID, c.Fingerprint = getenv("OCI_CLI_TENANCY"), getenv("OCI_CLI_USER"), getenv("OCI_CLI_FINGERPRINT")
	c.PrivateKeyPath, c.PrivateKey = getenv("OCI_CLI_KEY_FILE"), getenv("OCI_CLI_KEY_CONTENT")
	c.Passphrase = first("OCI_CLI_PASSPHRASE", "OCI_CLI_PASS_PHRASE")
	if c.Auth != AuthAPIKey {
		c.SecurityTokenFile = getenv("OCI_CLI_SECURITY_TOKEN_FILE")
	}
	return c
}

// methodOf gives the names of the OCI command line tools their names here.
func methodOf(name string) string {
	switch name {
	case "security_token":
		return AuthSessionToken
	case "instance_obo_user", "instance_principal_delegation_token":
		return AuthInstancePrincipal
	}
	return name
}

func isPrincipal(method string) bool {
	switch method {
	case AuthInstancePrincipal, AuthResourcePrincipal, AuthWorkloadIdentity:
		return true
	}
	return false
}

// Over lays c over what the environment says. Values that only have a meaning together are taken from one of the two: a key
// with its passphrase, and who signs with the way to do so.
func (c Config) Over(low Config) Config {
	own := c.UserOCID != "" || c.PrivateKeyPath != "" || c.PrivateKey != "" || c.SecurityTokenFile != ""
	if c.Auth == AuthEnvironment {
		c.Auth = cmp.Or(low.Auth, AuthEnvironment)
	} else if !own {
		c.Auth = cmp.Or(c.Auth, low.Auth)
	}
	if c.PrivateKeyPath == "" && c.PrivateKey == "" {
		c.PrivateKeyPath, c.PrivateKey = low.PrivateKeyPath, low.PrivateKey
		c.Passphrase = cmp.Or(c.Passphrase, low.Passphrase)
	}
	if c.UserOCID == "" {
		c.SecurityTokenFile = cmp.Or(c.SecurityTokenFile, low.SecurityTokenFile)
	}
	if c.SecurityTokenFile == "" || c.SecurityTokenFile == low.SecurityTokenFile {
		c.UserOCID = cmp.Or(c.UserOCID, low.UserOCID)
	}
	for _, f := range []struct {
		to  *string
		low string
	}{
		{&c.ConfigFile, low.ConfigFile}, {&c.Profile, low.Profile}, {&c.Region, low.Region}, {&c.Endpoint, low.Endpoint},
		{&c.TenancyOCID, low.TenancyOCID}, {&c.Fingerprint, low.Fingerprint},
	} {
		*f.to = cmp.Or(*f.to, f.low)
	}
	p := low.Principal
	p.ServiceAccountToken = cmp.Or(c.Principal.ServiceAccountToken, p.ServiceAccountToken)
	if c.Principal.DelegationToken != "" || c.Principal.DelegationTokenFile != "" {
		p.DelegationToken, p.DelegationTokenFile = c.Principal.DelegationToken, c.Principal.DelegationTokenFile
	}
	if c.Auth != AuthInstancePrincipal && c.Principal.DelegationToken == "" && c.Principal.DelegationTokenFile == "" {
		p.DelegationTokenFile = "" // of the environment, which is not for this way to sign in
	}
	c.Principal = p
	return c
}
