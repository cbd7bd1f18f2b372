// Package auth says who a request comes from and how much it may still ask for.
package auth
