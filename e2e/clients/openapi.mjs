// Reads the description with a parser that others use: every reference is followed,
// every schema checked against the specification.
import SwaggerParser from "@apidevtools/swagger-parser";

const api = await SwaggerParser.validate(process.argv[2]);
const operations = Object.values(api.paths).flatMap((p) => Object.keys(p).filter((m) => ["get", "post", "put", "delete", "head", "patch"].includes(m)));
console.log(`openapi: ${api.openapi}, ${Object.keys(api.paths).length} paths, ${operations.length} operations`);
