package ocisim_test

import (
	"encoding/json"
	"strings"
)

// create sends a POST that must work and returns the id in its answer.
func (c *cloud) create(path string, body any) string {
	c.t.Helper()
	var made struct{ ID string }
	answer := c.do("POST", path, rawRequest{body: body})
	if err := json.Unmarshal(answer.body, &made); err != nil || answer.status != 200 {
		c.t.Fatalf("POST %s: %d %s", path, answer.status, answer.body)
	}
	return made.ID
}

// ruleRequests are those on versions, retention rules and replication policies.
func ruleRequests() map[string]requestMaker {
	const b, rules, policies = " /n/{ns}/b/{bucket}", " /n/{ns}/b/{bucket}/retentionRules", " /n/{ns}/b/{bucket}/replicationPolicies"
	rule := map[string]any{"displayName": "keep", "duration": map[string]any{"timeAmount": 1, "timeUnit": "DAYS"}}
	policy := map[string]string{"name": "p", "destinationRegionName": "us-phoenix-1", "destinationBucketName": "hx-staging"}
	ruled := func(body any) requestMaker {
		return func(c *cloud) rawRequest {
			id := c.create("/n/axsim/b/logs/retentionRules", rule)
			return rawRequest{vars: pairs("bucket", "logs", "uuid", id), body: body}
		}
	}
	replicated := func(body any) requestMaker {
		return func(c *cloud) rawRequest {
			id := c.create("/n/axsim/b/logs/replicationPolicies", policy)
			return rawRequest{vars: pairs("bucket", "logs", "uuid", id), body: body}
		}
	}
	create := func(body any) requestMaker {
		return func(*cloud) rawRequest { return rawRequest{vars: pairs("bucket", "logs"), body: body} }
	}
	soon := map[string]any{"timeRuleLocked": "2020-01-01T00:00:00Z", "duration": rule["duration"]}
	return map[string]requestMaker{
		"objectstorage POST" + rules + " 200":          create(rule),
		"objectstorage GET" + rules + " 200":           ruled(nil),
		"objectstorage GET" + rules + "/{uuid} 200":    ruled(nil),
		"objectstorage PUT" + rules + "/{uuid} 200":    ruled(rule),
		"objectstorage PUT" + rules + "/{uuid} 400":    ruled(soon),
		"objectstorage DELETE" + rules + "/{uuid} 204": ruled(nil),

		"objectstorage POST" + policies + " 200":          create(policy),
		"objectstorage POST" + policies + " 409":          replicated(policy),
		"objectstorage GET" + policies + " 200":           replicated(nil),
		"objectstorage DELETE" + policies + "/{uuid} 204": replicated(nil),
		"objectstorage DELETE" + b + " 403":               replicated(nil),

		"objectstorage GET" + b + "/objectversions 200": func(c *cloud) rawRequest {
			for name := range strings.FieldsSeq("a b c") {
				c.putObject(name)
			}
			return rawRequest{vars: pairs("bucket", "logs"), query: "limit=2"}
		},
	}
}
