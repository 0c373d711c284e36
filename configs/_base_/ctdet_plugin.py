# Registers this package's types. Only this file sets `custom_imports`, because mmengine
# refuses two bases that set the same key.
custom_imports = dict(imports=['mmdet_centernet'], allow_failed_imports=False)

# Stops with a message if dataset and head disagree on the number of classes.
custom_hooks = [dict(type='NumClassCheckHook')]
