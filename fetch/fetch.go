// Package fetch brings slides from addresses that clients name: https, s3, files
// under allowed roots. Nothing is reached that is not on the lists.
package fetch
