// Package access decides who may send: client networks, SASL logins and the senders that each may use.
package access
