export * from "./bars";
export * from "./colors";
export * from "./frame";
export * from "./timeSeries";
