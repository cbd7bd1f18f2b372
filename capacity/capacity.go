// Package capacity knows instance types and their prices, and says what a list of
// slides takes: time, money, machines.
package capacity
