// Package resources says what this machine has and uses.
package resources
