/**
 * The files that deploy the job, held against the repository: what a test can say without Docker
 * and without Kubernetes.
 */
package io.experimentetl.deploy;
