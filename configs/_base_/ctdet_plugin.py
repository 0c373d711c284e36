# What turns an mmdet config into one that may use this package's types. The only file
# here that sets `custom_imports`: two bases that both set it cannot be combined.
custom_imports = dict(imports=['mmdet_centernet'], allow_failed_imports=False)

# Says in words that a data set and a head disagree on the number of classes.
custom_hooks = [dict(type='NumClassCheckHook')]
